"""Stricter rules for a sensor's frames: a reading that does not change says nothing of the moment.

They are exact where learned scores are blind: a frozen reading was right a moment ago, so it fits nearly as
well as any other. They are off unless a preparation asks for them by sensor (`prepare(strict=...)`), because
real data repeats readings for good reasons: a sensor slower than the frame clock holds its last value, and
coarse numbers of someone standing still can be equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipose.models.sensors import Grid, Layout
from equipose.pipelines.sequence import Defect, FloatArray

Frame = FloatArray | bytes | Defect
"""One frame as stored, or why it cannot be used."""


def without_unchanging(
    frames: Sequence[Frame], numbers: Sequence[int], name: str, layout: Layout
) -> list[Frame]:
    """The frames of one sensor in one sequence, with defects in place of those that say nothing.

    `constant`: every channel of a grid holds one value throughout, such as key points that are all 0 or all
    in one place. `stuck`: equal to the last usable frame before it, number by number or point by point.
    Frames without a point are `empty-file` already. numbers: of the frames, for the messages.
    """
    found: list[Frame] = []
    last: tuple[int, FloatArray | bytes] | None = None
    for frame, number in zip(frames, numbers, strict=True):
        if isinstance(frame, Defect):
            found.append(frame)
        elif is_constant(frame, layout):
            detail = "every channel holds one value throughout"
            found.append(Defect(modality=name, frame=number, reason="constant", detail=detail))
        elif last is not None and equal(frame, last[1]):
            detail = f"equal to frame {last[0]}"
            found.append(Defect(modality=name, frame=number, reason="stuck", detail=detail))
        else:
            found.append(frame)
            last = number, frame
    return found


def equal(one: FloatArray | bytes, other: FloatArray | bytes) -> bool:
    """Whether two frames of a sensor hold the same bytes, or numbers of the same shape and values."""
    if isinstance(one, bytes) or isinstance(other, bytes):
        return isinstance(one, bytes) and one == other
    return np.array_equal(one, other)


def is_constant(frame: FloatArray | bytes, layout: Layout) -> bool:
    """Whether every channel of a grid holds one value throughout; never so for one number a channel."""
    if not isinstance(layout, Grid) or layout.size == layout.channels or isinstance(frame, bytes):
        return False
    channels = np.moveaxis(frame, layout.channel_axis, 0).reshape(layout.channels, -1)
    return bool((channels == channels[:, :1]).all())
