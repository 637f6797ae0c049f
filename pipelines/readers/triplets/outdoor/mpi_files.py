"""MPI-INF-3DHP as its authors give it: where its files are, and what is in them.

`S1..S8/Seq1..2/annot.mat` (cells `annot2` [F, 56] px and `annot3` [F, 84] mm of 14 cameras, camera axes),
`camera.calibration`, pictures or videos; `TS1..TS6/annot_data.mat` (HDF5: `annot2` [F, 1, 17, 2], `annot3`
[F, 1, 17, 3], `valid_frame` [F]) and `imageSequence/img_000001.jpg` (Mehta et al., 3DV 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.mat5 import MatError, load_array, load_cells
from equipose.pipelines.readers.mat73 import is_mat73, load_array73
from equipose.pipelines.readers.triplets.outdoor.joints import MPI_17, MPI_28

CAMERAS: tuple[int, ...] = (0, 1, 2, 4, 5, 6, 7, 8)
"""Of the 14, those that published work trains on: at the height of the chest and a little above."""
TRAIN_FOLDERS, TEST_FOLDERS = (
    ("", "train"),
    ("", "test", "test_set", "mpi_inf_3dhp_test_set", "mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set"),
)
"""Below the root."""
TRAIN_SIZE = (2048, 2048)
MAX_FILE_BYTES, MAX_BYTES = 2**29, 2**30
"""Of a file, and of what it unfolds to; the largest real one unfolds to some 320 MB."""
MILLIMETRES = np.float32(1000)
"""In a metre."""
MAX_CALIBRATION_BYTES = 2**16
MAX_FRAMES = 20_000
"""Of a recording; real ones have at most 12 820."""
AGAIN = "copy or download the file again"

Array = NDArray[np.float32]


class Annotated(NamedTuple):
    """One camera's recording."""

    pixels: Array
    """[F, 17, 2] px."""
    pose: Array
    """[F, 17, 3] m, camera axes."""
    valid: NDArray[np.bool_]
    """[F] whether the source counts the frame."""


def held_out_size(number: int) -> tuple[int, int]:
    """Width and height of the pictures of test sequence `number`, 1 to 6: a studio, then outdoors."""
    return (2048, 2048) if number <= 4 else (1920, 1080)


def training_files(root: Path) -> Iterator[tuple[int, int, Path]]:
    """(subject, sequence, its file of annotations) of all that are there."""
    for subject in range(1, 9):
        for number in (1, 2):
            path = first(root, TRAIN_FOLDERS, f"S{subject}/Seq{number}/annot.mat")
            if path is not None:
                yield subject, number, path


def held_out_files(root: Path) -> Iterator[tuple[int, Path]]:
    """(test sequence, its file of annotations) of all that are there."""
    for number in range(1, 7):
        path = first(root, TEST_FOLDERS, f"TS{number}/annot_data.mat")
        if path is not None:
            yield number, path


def first(root: Path, folders: tuple[str, ...], name: str) -> Path | None:
    """The file of that name in the first of the folders that has it."""
    return next((root / f / name for f in folders if (root / f / name).is_file()), None)


def refuse(path: Path, field: str, value: object) -> DataError:
    """The error of a file that is not as the set's authors write it."""
    return DataError.about(path, field=field, value=value, remedy=AGAIN)


def content_of(path: Path, root: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file below the root."""
    if not contained(path, root):
        raise refuse(path, "link", f"leading out of {root}")
    try:
        return read_bytes(path, limit)
    except UnreadableFileError as error:
        raise refuse(path, "file", f"unreadable ({error})") from error


def load_training(path: Path, root: Path, camera: int, name3d: str) -> Annotated:
    """What one camera of a training recording saw; `name3d`: `annot3`, or `univ_annot3`."""
    pixels, pose = (_cell(path, root, name, camera, len(columns)) for name, columns in _columns(name3d))
    count = min(len(pixels), len(pose))
    valid = np.ones(count, np.bool_)
    return Annotated(pixels=pixels[:count], pose=pose[:count] / MILLIMETRES, valid=valid)


def _columns(name3d: str) -> tuple[tuple[str, str], ...]:
    return ("annot2", "xy"), (name3d, "xyz")


def _cell(path: Path, root: Path, name: str, camera: int, columns: int) -> Array:
    about = path.stat()
    return _cells(path, root, name, columns, about.st_mtime_ns, about.st_size)[camera]


@lru_cache(maxsize=2)
def _cells(path: Path, root: Path, name: str, columns: int, changed: int, size: int) -> dict[int, Array]:
    """Camera -> [F, 17, columns], kept until another file is read: its eight cameras follow one another."""
    content = content_of(path, root)
    found = _matlab(path, lambda: load_cells(content, name, limit=MAX_BYTES))
    if found is None or len(found) <= max(CAMERAS):
        cells = "missing" if found is None else f"{len(found)} cells"
        raise refuse(path, name, f"{cells}, expected those of 14 cameras")
    return {camera: _joints(path, f"{name}, camera {camera}", found[camera], columns) for camera in CAMERAS}


def _joints(path: Path, what: str, cell: NDArray[np.generic], columns: int) -> Array:
    if cell.dtype.kind not in "fiu" or cell.ndim != 2 or cell.shape[1] != 28 * columns:
        raise refuse(path, what, f"{cell.shape} {cell.dtype}, expected (F, {28 * columns})")
    _bounded(path, what, len(cell))
    with np.errstate(over="ignore", invalid="ignore"):
        return cell.reshape(len(cell), 28, columns)[:, MPI_28].astype(np.float32)


def _bounded(path: Path, what: str, frames: int) -> None:
    if frames > MAX_FRAMES:
        raise refuse(path, what, f"of {frames} frames, at most {MAX_FRAMES} are read")


def _matlab(path: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except MatError as error:
        raise refuse(path, "file", f"unreadable ({str(error)[:160]})") from error


def load_held_out(path: Path, root: Path, name3d: str) -> Annotated:
    """What was seen in a test sequence, frames that its authors do not count included."""
    content = content_of(path, root)
    pixels, pose = (_test_joints(path, content, name, len(columns)) for name, columns in _columns(name3d))
    valid = _variable(path, content, "valid_frame").reshape(-1) > 0
    if not len(pixels) == len(pose) == len(valid):
        raise refuse(path, "frames", f"{len(pixels)} in 2D, {len(pose)} in 3D, {len(valid)} marks")
    return Annotated(pixels=pixels, pose=pose / MILLIMETRES, valid=valid)


def _variable(path: Path, content: bytes, name: str) -> NDArray[Any]:
    """In the axis order of MATLAB."""
    if is_mat73(content):
        found, _ = _matlab(path, lambda: load_array73(content, name, limit=MAX_BYTES))
    else:
        found = _matlab(path, lambda: load_array(content, name, limit=MAX_BYTES))
    if found is None or found.dtype.kind not in "fiu":
        raise refuse(path, name, "missing" if found is None else "no array of numbers")
    return np.asarray(found)


def _test_joints(path: Path, content: bytes, name: str, columns: int) -> Array:
    found = _variable(path, content, name)
    frames = found.shape[-1] if found.ndim else 0
    if found.shape not in ((columns, 17, 1, frames), (columns, 17, frames)):
        raise refuse(path, name, f"{found.shape[:6]}, expected ({columns}, 17, 1, F)")
    _bounded(path, name, frames)
    with np.errstate(over="ignore", invalid="ignore"):
        return found.reshape(columns, 17, frames).transpose(2, 1, 0)[:, MPI_17].astype(np.float32)


def calibrated(path: Path, root: Path) -> dict[int, Array]:
    """Camera -> focal lengths and principal point [4], x then y, px, of a `camera.calibration`."""
    found: dict[int, Array] = {}
    camera = -1
    for line in content_of(path, root, MAX_CALIBRATION_BYTES).decode("ascii", "replace").splitlines():
        word, _, rest = line.strip().partition(" ")
        values = rest.split()
        try:
            if word == "name":
                camera = int(values[0])
            elif word == "intrinsic" and len(values) == 16:
                matrix = np.array([float(value) for value in values], np.float32)
                found[camera] = matrix[[0, 5, 2, 6]]
        except (ValueError, IndexError) as error:
            raise refuse(path, f"camera {camera}", repr(line.strip()[:60])) from error
    return found
