"""Pictures of a training recording: unpacked files, or the videos, which need PyAV.

PyAV decodes with FFmpeg, which is not made for hostile files: read only videos that you trust.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors.layouts import MAX_SIDE
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.triplets.pictures import Entry, Frames, cut_file, cut_photo
from equipose.pipelines.sequence import Defect

UNPACKED: tuple[str, ...] = ("imageFrames/video_{}", "imageSequence/video_{}", "video_{}")
"""Folders of a camera's `frame_000001.jpg`, below its sequence's."""
VIDEO = "imageSequence/video_{}.avi"
REMEDY = (
    "install PyAV (pip install 'equipose[video]'), unpack the videos (imageFrames/video_0/frame_000001.jpg), "
    "or leave out the pictures (--sensors exact_keypoints box intrinsics)"
)


def picture_folder(sequence: Path, camera: int) -> Path | None:
    """The folder of a camera's unpacked pictures."""
    folders = (sequence / name.format(camera) for name in UNPACKED)
    return next((folder for folder in folders if folder.is_dir()), None)


def video_file(sequence: Path, camera: int) -> Path | None:
    """A camera's video."""
    path = sequence / VIDEO.format(camera)
    return path if path.is_file() else None


def check_decoder(path: Path) -> None:
    """Raise DataError where PyAV is not installed; `path`: a video that would be read."""
    if importlib.util.find_spec("av") is None:
        raise DataError.about(path, field="decoder of videos", value="not installed", remedy=REMEDY)


def pictures(sequence: Path, root: Path, camera: int, boxes: Frames, numbers: NDArray[np.integer]) -> Frames:
    """The crops of a camera's frames of these numbers (from 1, ascending), or why there is none."""
    folder, video = picture_folder(sequence, camera), video_file(sequence, camera)
    if folder is not None:
        return [
            cut_file(folder / f"frame_{number:06d}.jpg", root, box, int(number))
            for box, number in zip(boxes, numbers, strict=True)
        ]
    if video is not None:
        return _of_video(video, root, boxes, numbers.tolist())
    detail = f"no {sequence / UNPACKED[0].format(camera)} and no {sequence / VIDEO.format(camera)}"
    return [Defect(modality="image", frame=None, reason="missing", detail=detail)] * len(numbers)


def _of_video(path: Path, root: Path, boxes: Frames, numbers: Sequence[int]) -> Frames:
    check_decoder(path)
    if not contained(path, root):
        detail = f"{path} leads out of {root}"
        return [Defect(modality="image", frame=None, reason="unreadable", detail=detail)] * len(numbers)
    found: dict[int, Entry] = {}
    wanted = dict(zip(numbers, boxes, strict=True))
    why = "the video ends before it"
    try:
        for number, photo in enumerate(_decoded(path, set(numbers)), 1):
            if photo is not None:
                found[number] = cut_photo(photo, wanted[number], number, str(path))
    except DataError as error:
        why = str(error)
    return [
        found.get(n, Defect(modality="image", frame=n, reason="missing", detail=f"{path}, frame {n}: {why}"))
        for n in numbers
    ]


def _decoded(path: Path, wanted: set[int]) -> Iterator[NDArray[np.uint8] | None]:
    """Every frame up to the last that is wanted: a picture [H, W, 3], or None for one that is not."""
    import av

    last = max(wanted, default=0)
    try:
        with av.open(str(path), format="avi") as container:
            for number, frame in enumerate(container.decode(video=0), 1):
                _check_size(path, frame)
                yield frame.to_ndarray(format="rgb24") if number in wanted else None
                if number >= last:
                    return
    except (av.error.FFmpegError, IndexError, ValueError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        text = f"unreadable ({type(error).__name__})"
        raise DataError.about(path, field="video", value=text, remedy="copy it again") from error


def _check_size(path: Path, frame: Any) -> None:
    if not (1 <= frame.width <= MAX_SIDE and 1 <= frame.height <= MAX_SIDE):
        value = f"{frame.width} x {frame.height}"
        raise DataError.about(path, field="picture", value=value, remedy=f"use at most {MAX_SIDE} a side")
