"""Recordings of MPI-INF-3DHP as its authors give them: what each holds, read into one sequence."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.mat73 import OFFSET, SIGNATURE, WITHOUT, is_mat73
from equipose.pipelines.readers.triplets.outdoor import mpi_video as video
from equipose.pipelines.readers.triplets.outdoor.joints import fitted_camera
from equipose.pipelines.readers.triplets.outdoor.mpi_files import (
    CAMERAS,
    TRAIN_SIZE,
    Annotated,
    calibrated,
    held_out_files,
    held_out_size,
    load_held_out,
    load_training,
    training_files,
)
from equipose.pipelines.readers.triplets.outdoor.mpi_keys import held_out_key, held_out_number, training_key
from equipose.pipelines.readers.triplets.pictures import Entry, Frames, cut_file
from equipose.pipelines.sequence import POSE, Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator.render.viewpoints import person_boxes

CALIBRATION, TEST_PICTURES = "camera.calibration", "imageSequence"
UNCOUNTED = "the source's valid_frame leaves it out"


def sequences(root: Path) -> list[SequenceKey]:
    """Every training recording of every camera, and the test sequences."""
    trained = [training_key(s, n, c) for s, n, _ in training_files(root) for c in CAMERAS]
    return trained + [held_out_key(n) for n, _ in held_out_files(root)]


def _views(root: Path) -> Iterator[tuple[Path, int]]:
    """(folder, camera) of every training recording."""
    return ((path.parent, camera) for _, _, path in training_files(root) for camera in CAMERAS)


def check_installed(root: Path, *, pictures: bool) -> None:
    """Raise DataError where h5py or PyAV would be needed: before hours of work rather than after."""
    for _, path in held_out_files(root):
        with path.open("rb") as file:
            needed = is_mat73(file.read(OFFSET + len(SIGNATURE)))
        if needed and importlib.util.find_spec("h5py") is None:
            raise DataError.about(path, field="reader of the file", value="not installed", remedy=WITHOUT)
    if not pictures:
        return
    for folder, camera in _views(root):
        film = video.video_file(folder, camera)
        if film is not None and video.picture_folder(folder, camera) is None:
            video.check_decoder(film)


def sensors(root: Path) -> tuple[str, ...]:
    """No detections, and pictures where there are any."""
    shown = any(video.picture_folder(*view) or video.video_file(*view) for view in _views(root))
    shown = shown or any((path.parent / TEST_PICTURES).is_dir() for _, path in held_out_files(root))
    return (*(("image",) if shown else ()), "exact_keypoints", "box", "intrinsics")


def files(root: Path, key: SequenceKey) -> tuple[Path, ...]:
    """What a recording is read from: files, and its folder of pictures."""
    path = _path(root, key)
    if key.part == "test":
        return path, path.parent / TEST_PICTURES
    view = path.parent, int(key.camera)
    shown = video.picture_folder(*view), video.video_file(*view)
    return (path, path.parent / CALIBRATION, *filter(None, shown))


def _path(root: Path, key: SequenceKey) -> Path:
    """The file of annotations of a recording that is there."""
    if key.part == "test":
        return next(path for n, path in held_out_files(root) if held_out_key(n) == key)
    wanted = int(key.subject[1:]), int(key.action[1:])
    return next(path for s, n, path in training_files(root) if (s, n) == wanted)


def read(root: Path, key: SequenceKey, every: int, universal: bool, wanted: tuple[str, ...]) -> RawSequence:
    """One recording of one camera; of training recordings every `every`-th frame, from the first on."""
    name3d = "univ_annot3" if universal else "annot3"
    if key.part == "test":
        numbers, frames = _held_out(root, key, name3d, "image" in wanted)
    else:
        numbers, frames = _training(root, key, every, name3d, "image" in wanted)
    kept = {name: rows for name, rows in frames.items() if name in {*wanted, POSE}}
    return RawSequence(
        **key._asdict(),
        numbers=numbers.astype(np.int32),
        frames=kept,
        provenance=dict.fromkeys(kept, "real"),
    )


def _training(
    root: Path, key: SequenceKey, every: int, name3d: str, shown: bool
) -> tuple[NDArray[Any], dict[str, Frames]]:
    path, camera = _path(root, key), int(key.camera)
    seen = load_training(path, root, camera, name3d)
    rows = np.arange(0, len(seen.pose), every)
    taken = Annotated(pixels=seen.pixels[rows], pose=seen.pose[rows], valid=seen.valid[rows])
    frames = _signals(taken, rows + 1)
    frames["intrinsics"] = [_calibration(path.parent / CALIBRATION, root, camera)] * len(rows)
    if shown:
        frames["image"] = video.pictures(path.parent, root, camera, frames["box"], rows + 1)
    return rows + 1, frames


def _calibration(path: Path, root: Path, camera: int) -> Entry:
    try:
        found = calibrated(path, root).get(camera)
        why = f"{path} has no camera {camera}"
    except DataError as error:
        found, why = None, str(error)
    if found is None:
        return Defect(modality="intrinsics", frame=None, reason="unreadable", detail=why)
    return np.array([*TRAIN_SIZE, *found], np.float32)


def _held_out(
    root: Path, key: SequenceKey, name3d: str, shown: bool
) -> tuple[NDArray[Any], dict[str, Frames]]:
    path, size = _path(root, key), held_out_size(held_out_number(key))
    seen = load_held_out(path, root, name3d)
    placed = seen if name3d == "annot3" else load_held_out(path, root, "annot3")
    numbers = np.arange(1, len(seen.pose) + 1)
    frames = _signals(seen, numbers)
    pose, pixels = placed.pose[placed.valid], placed.pixels[placed.valid]
    found = fitted_camera(pose.astype(np.float64), pixels.astype(np.float64))
    why = f"{path}: no camera fits its poses and key points"
    optics: Entry = Defect(modality="intrinsics", frame=None, reason="missing", detail=why)
    if found is not None:
        optics = np.array([*size, *found], np.float32)
    frames["intrinsics"] = [optics] * len(numbers)
    if shown:
        frames["image"] = [
            cut_file(path.parent / TEST_PICTURES / f"img_{number:06d}.jpg", root, box, number)
            for number, box in zip(numbers.tolist(), frames["box"], strict=True)
        ]
    return numbers, frames


def _signals(seen: Annotated, numbers: NDArray[np.integer]) -> dict[str, Frames]:
    """Key points, boxes and poses, with a defect in place of frames that the source does not count."""
    boxes = person_boxes(seen.pixels.astype(np.float64))
    made: dict[str, NDArray[Any]] = {"exact_keypoints": seen.pixels, "box": boxes, POSE: seen.pose}
    marks = list(zip(numbers.tolist(), seen.valid.tolist(), strict=True))
    return {
        name: [
            row if valid else Defect(modality=name, frame=number, reason="excluded", detail=UNCOUNTED)
            for row, (number, valid) in zip(rows, marks, strict=True)
        ]
        for name, rows in made.items()
    }
