"""A person's part of a camera's picture, or why there is none: shared by the readers of triplets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors.triplets import CROP
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.images import PictureError, crop_photo, decode_photo
from equipose.pipelines.readers.frame_files import read_content
from equipose.pipelines.sequence import BadFrame, Defect
from equipose.pipelines.simulator.render.viewpoints import person_boxes

Entry = NDArray[np.generic] | Defect
Frames = list[Entry]


def cut_file(path: Path, root: Path, box: Entry, number: int) -> Entry:
    """The crop [256, 192, 3] that a box (centre x, centre y, height), px, shows of a file below the root."""
    try:
        if isinstance(box, Defect):
            return _without_box(box, number)
        if not contained(path, root):
            raise BadFrame("unreadable", f"{path} leads out of {root}")
        return crop_photo(decode_photo(read_content(path)), np.asarray(box, np.float64), CROP)
    except BadFrame as bad:
        return bad.defect("image", number)
    except PictureError as error:
        return Defect(modality="image", frame=number, reason="unreadable", detail=f"{path}: {error}")


def cut_photo(photo: NDArray[np.uint8], box: Entry, number: int, where: str) -> Entry:
    """The same of a picture [H, W, 3] that is read already; `where`: for the message."""
    if isinstance(box, Defect):
        return _without_box(box, number)
    try:
        return crop_photo(photo, np.asarray(box, np.float64), CROP)
    except PictureError as error:
        return Defect(modality="image", frame=number, reason="unreadable", detail=f"{where}: {error}")


def cut_around(path: Path, keypoints: Entry, number: int) -> Entry:
    """The crop that shows the person whose key points [J, 2] px those of a file are; see `cut_photo`."""
    if isinstance(keypoints, Defect):
        return _without_box(keypoints, number)
    if (
        keypoints.ndim != 2
        or keypoints.shape[1] != 2
        or not len(keypoints)
        or keypoints.dtype.kind not in "fiu"
    ):
        detail = f"no box: key points are {keypoints.shape} {keypoints.dtype}, expected (17, 2)"
        return Defect(modality="image", frame=number, reason="shape", detail=detail)
    box = person_boxes(keypoints[None].astype(np.float64))[0]
    try:
        return cut_photo(decode_photo(read_content(path)), box, number, str(path))
    except BadFrame as bad:
        return bad.defect("image", number)
    except PictureError as error:
        return Defect(modality="image", frame=number, reason="unreadable", detail=f"{path}: {error}")


def _without_box(box: Defect, number: int) -> Defect:
    return Defect(modality="image", frame=number, reason=box.reason, detail=f"no box: {box.detail}")
