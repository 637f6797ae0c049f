"""MPI-INF-3DHP as MMPose prepares it: arrays of annotations, one row a picture, and one folder of pictures.

`annotations/mpi_inf_3dhp_train.npz` and `_test_valid.npz` (or `_test_all`), `cameras_{train,test}.pkl`, and
`images/S1_Seq1_Cam0_000001.jpg`, `images/TS1_000001.jpg`. Its joints are in the order of the test files.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from equipose.pipelines.readers.triplets.h36m_mmpose import PADDED, annotation_table, intrinsics
from equipose.pipelines.readers.triplets.outdoor.joints import MPI_17
from equipose.pipelines.readers.triplets.outdoor.mpi_files import TRAIN_SIZE, held_out_size
from equipose.pipelines.readers.triplets.outdoor.mpi_keys import held_out_key, held_out_number, training_key
from equipose.pipelines.readers.triplets.pictures import Frames, cut_file
from equipose.pipelines.sequence import POSE, RawSequence, SequenceKey

FOLDER, IMAGES = "annotations", "images"
TABLES: tuple[tuple[str, str], ...] = (
    ("mpi_inf_3dhp_train.npz", "cameras_train.pkl"),
    ("mpi_inf_3dhp_test_valid.npz", "cameras_test.pkl"),
    ("mpi_inf_3dhp_test_all.npz", "cameras_test.pkl"),
)
"""File of annotations and its cameras; of two that have a recording, the first is read."""
_NAME = re.compile(r"(?:S([1-8])_Seq([12])_Cam(\d{1,2})|TS([1-6]))_(\d{1,6})\.(?:jpg|png)", re.ASCII)

Rows = dict[SequenceKey, tuple[str, dict[int, int]]]
"""Key -> name of the camera, and number of every frame (from 1) -> row."""


def files(root: Path) -> tuple[Path, ...]:
    """All that describes recordings, and the folder of pictures."""
    names = dict.fromkeys(name for pair in TABLES for name in pair)
    return (*(root / FOLDER / name for name in names), root / IMAGES)


def is_there(root: Path) -> bool:
    """Whether a folder has this layout."""
    return any((root / FOLDER / name).is_file() for name, _ in TABLES)


def sensors(root: Path) -> tuple[str, ...]:
    """What the layout has: no detections, and pictures where they are there."""
    return (*(("image",) if (root / IMAGES).is_dir() else ()), "exact_keypoints", "box", "intrinsics")


def _tables(root: Path) -> dict[SequenceKey, tuple[Path, Path, str, dict[int, int]]]:
    """Key -> file of annotations, file of cameras, name of the camera, rows by number."""
    found: dict[SequenceKey, tuple[Path, Path, str, dict[int, int]]] = {}
    for name, cameras in TABLES:
        path = root / FOLDER / name
        if path.is_file():
            about = path.stat()
            for key, (camera, rows) in _rows(path, about.st_mtime_ns, about.st_size).items():
                found.setdefault(key, (path, root / FOLDER / cameras, camera, rows))
    return found


@lru_cache(maxsize=4)
def _rows(path: Path, changed: int, size: int) -> Rows:
    found: Rows = {}
    for row, text in enumerate(annotation_table(path)["imgname"].tolist()):
        match = _NAME.fullmatch(text)
        if match is None or int(match[5]) < 1:
            continue
        subject, number, camera, test, frame = match.groups()
        key = held_out_key(int(test)) if test else training_key(int(subject), int(number), camera)
        found.setdefault(key, (text.rpartition("_")[0], {}))[1].setdefault(int(frame), row)
    return found


def sequences(root: Path) -> list[SequenceKey]:
    """Every recording of every camera."""
    return list(_tables(root))


def read(root: Path, key: SequenceKey, every: int, wanted: tuple[str, ...]) -> RawSequence:
    """One recording of one camera; of training recordings every `every`-th frame, from the first on."""
    path, cameras, camera, rows = _tables(root)[key]
    step = every if key.part == "train" else 1
    numbers = [number for number in sorted(rows) if (number - 1) % step == 0]
    chosen = [rows[number] for number in numbers]
    table = annotation_table(path)
    boxes = np.column_stack([table["center"], PADDED * 200 * table["scale"].astype(np.float64)])[chosen]
    size = TRAIN_SIZE if key.part == "train" else held_out_size(held_out_number(key))
    frames: dict[str, Frames] = {
        "exact_keypoints": list(table["part"][chosen][:, MPI_17, :2]),
        "box": list(boxes),
        "intrinsics": [intrinsics(cameras, camera, size)] * len(chosen),
        POSE: list(table["S"][chosen][:, MPI_17, :3]),
    }
    if "image" in wanted:
        names = table["imgname"][chosen].tolist()
        frames["image"] = [
            cut_file(root / IMAGES / name, root, box, number)
            for name, box, number in zip(names, boxes, numbers, strict=True)
        ]
    kept = {name: entries for name, entries in frames.items() if name in {*wanted, POSE}}
    provenance = dict.fromkeys(kept, "real")
    return RawSequence(
        **key._asdict(), numbers=np.array(numbers, np.int32), frames=kept, provenance=provenance
    )
