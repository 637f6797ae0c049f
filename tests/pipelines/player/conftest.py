"""A small clip that the tests of the player share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.images import encode
from equipose.pipelines.player import Clip
from equipose.pipelines.player.panels import CloudPanel, HeatPanel, KeypointPanel, PicturePanel

MakeClip = Callable[..., Clip]


def build(frames: int = 6, **changes: Any) -> Clip:
    """A moving person with two predictions and a panel of each kind.

    The second frame has no true pose and no reading, the third no first prediction.
    """
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, frames)
    truth = rng.normal(size=(17, 3)) * 0.4 + np.array([0, 0, 3.0]) + time[:, None, None]
    first, second = truth + 0.03, truth + 0.1 * time[:, None, None]
    points, heat = rng.uniform(0, 400, (frames, 17, 2)), rng.normal(size=(frames, 4, 6))
    counts = np.full(frames, 9)
    pictures = [encode(np.full((8, 12), 30 * f % 256, np.uint8), "jpeg") for f in range(frames)]
    if frames > 2:
        truth[1], first[2], points[1], heat[1] = np.nan, np.nan, np.nan, np.nan
        counts[1], pictures[1] = 0, b""
    offsets = np.concatenate([[0], np.cumsum(counts)])
    clip = Clip(
        title="E01 S01 A02",
        provenance="simulated data",
        numbers=np.arange(1, frames + 1),
        truth=truth,
        predictions={"first": first, "second": second},
        panels=(
            KeypointPanel(title="rgb, pixel", points=points, bones=((0, 1), (1, 2))),
            CloudPanel(title="lidar, m", points=rng.normal(size=(offsets[-1], 3)), offsets=offsets),
            HeatPanel(title="wifi, amplitude", values=heat),
            PicturePanel(title="depth, m", files=pictures),
        ),
    )
    return dataclasses.replace(clip, **changes)


@pytest.fixture
def made_clip() -> MakeClip:
    """`build`."""
    return build
