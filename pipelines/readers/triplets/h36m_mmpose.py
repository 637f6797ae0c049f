"""Human3.6M as MMPose prepares it: arrays of annotations, one row a picture, and folders of pictures.

`annotation_body3d/cameras.pkl` and `fps10/h36m_{train,test}.npz` (`imgname`, `center`, `scale`, `part`
[N, 17, 3] px and visibility, `S` [N, 17, 4] m, camera axes), `images/S1/S1_Walking.54138969/..._000001.jpg`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.files.bounded_read import read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.triplets.h36m_cameras import SUBJECTS
from equipose.pipelines.readers.triplets.h36m_names import first_number, key_of, remarks, subject_of
from equipose.pipelines.readers.triplets.object_npz import kept_npz
from equipose.pipelines.readers.triplets.pictures import Frames, cut_file
from equipose.pipelines.readers.triplets.plain_pickle import PlainPickleError, load_plain
from equipose.pipelines.sequence import POSE, Defect, RawSequence, SequenceKey

ANNOTATIONS, IMAGES, RATE = "annotation_body3d", "images", "fps10"
PADDED = 1.25
"""Side of the crop over that of the annotated box."""
MAX_CAMERAS_BYTES = 2**24
_COLUMNS = ("imgname", "center", "scale", "part", "S")
_NAME = re.compile(r"(S\d{1,2})/(S\d{1,2}_[A-Za-z]+(?:_[0-2])?\.\d{8})/\2_(\d{1,6})\.(?:jpg|png)", re.ASCII)
_REMEDY = "use the files of MMPose's preparation (its names, arrays and units)"


def files(root: Path, rate: str) -> tuple[Path, ...]:
    """All that describes a recording; pictures come besides."""
    found = root / ANNOTATIONS
    return found / "cameras.pkl", *(found / rate / f"h36m_{part}.npz" for part in ("train", "test"))


def sensors(root: Path, rate: str) -> tuple[str, ...]:
    """What the layout has: no detections, and pictures where they are unpacked."""
    return (*(("image",) if (root / IMAGES).is_dir() else ()), "exact_keypoints", "box", "intrinsics")


def annotation_table(path: Path) -> dict[str, Any]:
    """The columns of a file of annotations, of equal length."""
    found = kept_npz(path, *_COLUMNS)
    shapes = {"imgname": (), "center": (2,), "scale": (), "part": (NUM_JOINTS, 3), "S": (NUM_JOINTS, 4)}
    for name, shape in shapes.items():
        array = found.get(name)
        kind = "U" if name == "imgname" else "fiu"
        count = len(found["imgname"]) if isinstance(found.get("imgname"), np.ndarray) else 0
        if (
            not isinstance(array, np.ndarray)
            or array.dtype.kind not in kind
            or array.shape != (count, *shape)
        ):
            about = getattr(array, "shape", "missing")
            raise DataError.about(
                path, field=name, value=f"{about}, expected {('N', *shape)}", remedy=_REMEDY
            )
    return found


def _rows(root: Path, rate: str) -> dict[SequenceKey, tuple[Path, list[int], list[int], str]]:
    """Key -> file, rows and frame numbers (from 1) in their order, and the recording's name."""
    found: dict[SequenceKey, tuple[Path, list[int], list[int], str]] = {}
    for path in files(root, rate)[1:]:
        if path.is_file():
            about = path.stat()
            for key, rows in _rows_of(path, about.st_mtime_ns, about.st_size).items():
                found.setdefault(key, (path, *rows))
    return found


@lru_cache(maxsize=4)
def _rows_of(path: Path, changed: int, size: int) -> dict[SequenceKey, tuple[list[int], list[int], str]]:
    grouped: dict[SequenceKey, tuple[dict[int, int], str]] = {}
    for row, text in enumerate(annotation_table(path)["imgname"].tolist()):
        match = _NAME.fullmatch(text)
        key, name = _key(match) if match else (None, "")
        if key is not None and match is not None:
            grouped.setdefault(key, ({}, name))[0].setdefault(int(match[3]), row)
    return {k: ([rows[n] for n in sorted(rows)], sorted(rows), name) for k, (rows, name) in grouped.items()}


def _key(match: re.Match[str]) -> tuple[SequenceKey | None, str]:
    """The key of a picture's recording, and the recording's name."""
    subject = subject_of(match[1])
    name, _, camera = match[2].partition("_")[2].partition(".")
    if subject not in SUBJECTS or not match[2].startswith(f"{match[1]}_"):
        return None, ""
    return key_of(str(subject), name, camera), name


def sequences(root: Path, rate: str) -> list[SequenceKey]:
    """Every recording of every camera."""
    return list(_rows(root, rate))


def intrinsics(path: Path, name: Any, size: tuple[int, int] | None = None) -> NDArray[np.float32] | Defect:
    """Of the camera of a name in a file of cameras, or why they are unknown; `size`: not the file's."""
    try:
        about = load_plain(read_bytes(path, MAX_CAMERAS_BYTES))[name]
        focal, centre = (np.asarray(about[part], np.float64).reshape(2) for part in ("f", "c"))
        return np.array([*(size or (about["w"], about["h"])), *focal, *centre], np.float32)
    except (PlainPickleError, ValueError, KeyError, TypeError, IndexError, OSError) as error:
        detail = f"{path}: {type(error).__name__} {str(error)[:80]}"
        return Defect(modality="intrinsics", frame=None, reason="unreadable", detail=detail)


def read(root: Path, key: SequenceKey, rate: str, wanted: tuple[str, ...]) -> RawSequence:
    """One recording of one camera; pictures are cut out of the images as they are read."""
    path, rows, counted, name = _rows(root, rate)[key]
    table, who = annotation_table(path), f"S{int(key.subject[1:])}"
    boxes = np.column_stack([table["center"][rows], PADDED * 200 * table["scale"][rows].astype(np.float64)])
    frames: dict[str, Frames] = {
        "exact_keypoints": list(table["part"][rows][..., :2]),
        "box": list(boxes),
        "intrinsics": [intrinsics(files(root, RATE)[0], (who, key.camera))] * len(rows),
        POSE: list(table["S"][rows][..., :3]),
    }
    numbers = np.array(counted, np.int32) + (first_number(key) - 1)
    if "image" in wanted:
        frames["image"] = [
            cut_file(root / IMAGES / str(table["imgname"][row]), root, box, int(number))
            for row, box, number in zip(rows, boxes, numbers, strict=True)
        ]
    kept = {n: entries for n, entries in frames.items() if n in {*wanted, POSE}}
    return RawSequence(
        **key._asdict(),
        numbers=numbers,
        frames=kept,
        provenance=dict.fromkeys(kept, "real"),
        remarks=remarks(key.subject, name),
    )
