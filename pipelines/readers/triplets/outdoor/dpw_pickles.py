"""3DPW as its authors give it: a pickle of Python 2 per sequence, and folders of pictures.

`sequenceFiles/{train,validation,test}/NAME.pkl`: lists over one or two people of `poses2d` [N, 3, 18] px and
confidence (OpenPose), `jointPositions` [N, 72] m (SMPL's 24 joints, world) and `campose_valid` [N]; of the
camera `cam_poses` [N, 4, 4], world to camera, and `cam_intrinsics` [3, 3]. `imageFiles/NAME/image_00000.jpg`
(von Marcard et al., ECCV 2018).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.triplets.outdoor.joints import from_openpose, from_smpl, project
from equipose.pipelines.readers.triplets.pictures import Frames
from equipose.pipelines.readers.triplets.plain_pickle import PlainPickleError, load_plain
from equipose.pipelines.sequence import POSE, Defect
from equipose.pipelines.simulator.render.viewpoints import person_boxes

FOLDER, PARTS = "sequenceFiles", ("train", "validation", "test")
MAX_BYTES = 2**28
MAX_FRAMES = 20_000
MAX_PEOPLE = 9
SENSORS: tuple[str, ...] = ("keypoints", "exact_keypoints", "box", "intrinsics")
SIZES: tuple[tuple[int, int], ...] = ((1080, 1920), (1920, 1080))
"""Width and height of its pictures, held upright or not."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,60}", re.ASCII)
_REMEDY = "use the files of 3DPW's authors (sequenceFiles/)"

Array = NDArray[np.float64]


class Recording(NamedTuple):
    """What is read of a sequence: N frames, P people."""

    joints: tuple[Array, ...]
    """P of [N, 24, 3] m, world."""
    detected: tuple[Array, ...]
    """P of [N, 18, 3] px, px, confidence."""
    placed: tuple[NDArray[np.bool_], ...]
    """P of [N]: whether the camera's place was found."""
    cameras: Array
    """[N, 4, 4] world to camera."""
    optics: Array
    """[6] width, height, focal lengths, principal point, px."""


def files(root: Path) -> dict[str, tuple[str, Path]]:
    """Name of every sequence -> its part and file; of a name that occurs twice, the first part's."""
    found: dict[str, tuple[str, Path]] = {}
    for part in PARTS:
        for path in sorted((root / FOLDER / part).glob("*.pkl")):
            if _NAME.fullmatch(path.stem):
                found.setdefault(path.stem, (part, path))
    return found


def load(path: Path, root: Path) -> Recording:
    """A sequence, kept until others are read; DataError for a file that holds anything but plain arrays."""
    return _load(path, *_changed(path, root))


def people_in(path: Path, root: Path) -> int:
    """How many people a sequence shows; remembered until its file changes."""
    return _counted(path, *_changed(path, root))


def _changed(path: Path, root: Path) -> tuple[int, int]:
    if not contained(path, root):
        raise _bad(path, "link", f"leading out of {root}")
    about = path.stat()
    return about.st_mtime_ns, about.st_size


@lru_cache(maxsize=256)
def _counted(path: Path, changed: int, size: int) -> int:
    return len(_load(path, changed, size).joints)


@lru_cache(maxsize=2)
def _load(path: Path, changed: int, size: int) -> Recording:
    try:
        table = load_plain(read_bytes(path, MAX_BYTES))
    except PlainPickleError as error:
        raise _bad(path, "pickle", f"refused: {error}") from error
    except UnreadableFileError as error:
        raise _bad(path, "file", f"unreadable ({error})") from error
    if not isinstance(table, dict):
        raise _bad(path, "content", f"a {type(table).__name__}")
    cameras = _numbers(path, "cam_poses", table.get("cam_poses"), (None, 4, 4))
    count, people = len(cameras), _people(path, table.get("jointPositions"))

    def each(name: str, *shape: int) -> tuple[Array, ...]:
        given = table.get(name)
        rows = list(given) if isinstance(given, (list, tuple, np.ndarray)) else []
        if len(rows) != people:
            raise _bad(path, name, f"not one array for each of {people} people")
        return tuple(_numbers(path, name, row, (count, *shape)) for row in rows)

    return Recording(
        joints=tuple(rows.reshape(count, 24, 3) for rows in each("jointPositions", 72)),
        detected=tuple(rows.transpose(0, 2, 1) for rows in each("poses2d", 3, 18)),
        placed=tuple(rows > 0 for rows in each("campose_valid")),
        cameras=cameras,
        optics=_optics(path, _numbers(path, "cam_intrinsics", table.get("cam_intrinsics"), (3, 3))),
    )


def _people(path: Path, given: Any) -> int:
    count = len(given) if isinstance(given, (list, tuple, np.ndarray)) else 0
    if not 1 <= count <= MAX_PEOPLE:
        raise _bad(path, "jointPositions", f"of {count} people, expected 1 to {MAX_PEOPLE}")
    return count


def _numbers(path: Path, name: str, found: Any, shape: tuple[int | None, ...]) -> Array:
    sound = isinstance(found, np.ndarray) and found.dtype.kind in "fiub" and found.ndim == len(shape)
    if not sound or any(want not in (None, n) for n, want in zip(found.shape, shape, strict=True)):
        about = found.shape if isinstance(found, np.ndarray) else type(found).__name__
        wanted = tuple("N" if n is None else n for n in shape)
        raise _bad(path, name, f"{about}, expected {wanted}".replace("'", ""))
    if len(found) > MAX_FRAMES:
        raise _bad(path, name, f"of {len(found)} frames, at most {MAX_FRAMES} are read")
    return np.asarray(found, np.float64)


def _optics(path: Path, matrix: Array) -> Array:
    """The size of the pictures is that in whose middle the principal point lies."""
    centre = matrix[:2, 2]
    width, height = min(SIZES, key=lambda size: float(np.abs(centre - np.array(size) / 2).sum()))
    if not np.abs(centre / [width, height] - 0.5).max() < 0.1 or not (matrix[[0, 1], [0, 1]] > 0).all():
        raise _bad(path, "cam_intrinsics", "no camera of pictures of 1080 x 1920 or 1920 x 1080")
    return np.array([width, height, matrix[0, 0], matrix[1, 1], *centre])


def _bad(path: Path, field: str, value: str) -> DataError:
    return DataError.about(path, field=field, value=value, remedy=_REMEDY)


@np.errstate(over="ignore", invalid="ignore")
def signals(recording: Recording, person: int) -> dict[str, Frames]:
    """All of one person but pictures; poses have the joints that SMPL's skeleton has, see `from_smpl`."""
    turned = np.einsum("nij,nkj->nki", recording.cameras[:, :3, :3], recording.joints[person])
    seen = turned + recording.cameras[:, None, :3, 3]
    count, optics = len(seen), recording.optics
    pixels = project(seen, np.repeat(optics[None], count, axis=0))
    placed = {"exact_keypoints": from_smpl(pixels), "box": person_boxes(pixels), POSE: from_smpl(seen)}
    good = recording.placed[person].tolist()
    found: dict[str, Frames] = {
        name: [
            row.astype(np.float32) if fine else _unplaced(name, number)
            for number, (row, fine) in enumerate(zip(rows, good, strict=True), 1)
        ]
        for name, rows in placed.items()
    }
    found["keypoints"] = list(from_openpose(recording.detected[person]).astype(np.float32))
    found["intrinsics"] = [optics.astype(np.float32)] * count
    return found


def _unplaced(name: str, number: int) -> Defect:
    detail = "the source's campose_valid says that the camera's place is not known"
    return Defect(modality=name, frame=number, reason="excluded", detail=detail)
