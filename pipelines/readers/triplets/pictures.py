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


def _without_box(box: Defect, number: int) -> Defect:
    return Defect(modality="image", frame=number, reason=box.reason, detail=f"no box: {box.detail}")
