"""3DPW as a table of 17 joints, regressed from its bodies elsewhere: one row a person and picture.

`pw3d_{train,validation,test}.npz`: `keypoints3d17_relative` [N, 17, 3 or 4] m, relative to the pelvis,
`root_cam` [N, 3] m, `cam_param` {f, c: [N, 2] px}, `image_path` [N], `image_width`, `image_height` [N]
(as in ZeDO, Jiang et al., WACV 2024).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.triplets.object_npz import read_npz
from equipose.pipelines.readers.triplets.outdoor.joints import DPW_TABLE, project
from equipose.pipelines.readers.triplets.pictures import Frames
from equipose.pipelines.sequence import POSE
from equipose.pipelines.simulator.render.viewpoints import person_boxes

PARTS = ("train", "validation", "test")
SENSORS: tuple[str, ...] = ("exact_keypoints", "box", "intrinsics")
MAX_ROWS = 2_000_000
_COLUMNS: dict[str, tuple[int | None, ...]] = {
    "keypoints3d17_relative": (NUM_JOINTS, None),
    "root_cam": (3,),
    "image_path": (),
    "image_width": (),
    "image_height": (),
}
_NAME = re.compile(r"(?:.*/)?([A-Za-z0-9_]{1,60})/image_(\d{1,6})\.(?:jpg|png)", re.ASCII)
_REMEDY = "use a table of the layout that docs/data.md describes"

Array = NDArray[np.float64]


class Table(NamedTuple):
    """The rows of a file."""

    pose: Array
    """[N, 17, 3] m, camera axes, joints in this package's order."""
    optics: Array
    """[N, 6] width, height, focal lengths, principal point, px."""
    rows: dict[tuple[str, int], dict[int, int]]
    """(name of the sequence, person from 0) -> number of the picture, from 0 -> row."""


def files(root: Path) -> dict[str, Path]:
    """Part -> its file, of those that are there."""
    paths = {part: root / f"pw3d_{part}.npz" for part in PARTS}
    return {part: path for part, path in paths.items() if path.is_file()}


def load(path: Path) -> Table:
    """The table in a file, kept until others are read."""
    about = path.stat()
    return _load(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=3)
def _load(path: Path, changed: int, size: int) -> Table:
    found = read_npz(path, (*_COLUMNS, "cam_param"))
    count = len(found["image_path"]) if np.ndim(found.get("image_path", 0)) == 1 else 0
    for name, shape in _COLUMNS.items():
        _check(path, name, found.get(name), (count, *shape), "U" if name == "image_path" else "fiu")
    camera = found.get("cam_param")
    if not isinstance(camera, dict):
        raise _bad(path, "cam_param", type(camera).__name__)
    for name in ("f", "c"):
        _check(path, f"cam_param of {name}", camera.get(name), (count, 2), "fiu")
    relative = found["keypoints3d17_relative"]
    if relative.shape[2] not in (3, 4):
        raise _bad(path, "keypoints3d17_relative", str(relative.shape))
    pose = np.empty((count, NUM_JOINTS, 3))
    pose[:, DPW_TABLE] = relative[..., :3] + found["root_cam"][:, None]
    sizes = [found[name].astype(np.float64) for name in ("image_width", "image_height")]
    optics = np.column_stack([*sizes, camera["f"], camera["c"]]).astype(np.float64)
    return Table(pose=pose, optics=optics, rows=_grouped(found["image_path"].tolist()))


def _check(path: Path, name: str, found: Any, shape: tuple[int | None, ...], kinds: str) -> None:
    sound = isinstance(found, np.ndarray) and found.dtype.kind in kinds and found.ndim == len(shape)
    if not sound or any(want not in (None, n) for n, want in zip(found.shape, shape, strict=True)):
        about = getattr(found, "shape", "missing")
        raise _bad(path, name, f"{about}, expected {('N', *shape[1:])}")
    if shape[0] is not None and shape[0] > MAX_ROWS:
        raise _bad(path, "rows", f"{shape[0]}, at most {MAX_ROWS} are read")


def _bad(path: Path, field: str, value: str) -> DataError:
    return DataError.about(path, field=field, value=value, remedy=_REMEDY)


def _grouped(names: list[str]) -> dict[tuple[str, int], dict[int, int]]:
    """Rows of every sequence and person; the second row of a picture is the second person's."""
    found: dict[tuple[str, int], dict[int, int]] = {}
    for row, text in enumerate(names):
        match = _NAME.fullmatch(text)
        if match is None:
            continue
        name, number, person = match[1], int(match[2]), 0
        while number in found.get((name, person), {}):
            person += 1
        if person < 9:
            found.setdefault((name, person), {})[number] = row
    return found


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def signals(table: Table, rows: list[int]) -> dict[str, Frames]:
    """All of these rows but pictures."""
    pose, optics = table.pose[rows], table.optics[rows]
    pixels = project(pose, optics)
    boxes = person_boxes(pixels)
    made = {"exact_keypoints": pixels, "box": boxes, "intrinsics": optics, POSE: pose}
    return {name: list(entries.astype(np.float32)) for name, entries in made.items()}
