"""Random signals over time that several sensors share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def drift(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> Array:
    """Unit-variance noise [F, ...] whose neighbouring frames correlate by `memory` in [0, 1)."""
    from scipy.signal import lfilter  # slow to import, and jobs on prepared data simulate nothing

    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], white, axis=0))


def spells(
    rng: np.random.Generator, shape: tuple[int, ...], share: float, length: float
) -> NDArray[np.bool_]:
    """True during random spells of about `length` frames that cover `share` of [F, ...] on average."""
    if share <= 0 or share >= 1:
        return np.full(shape, share >= 1)
    inside = np.zeros(shape, bool)
    leave = min(1 / length, (1 - share) / share)
    enter = leave * share / (1 - share)
    draws = rng.uniform(size=shape)
    inside[0] = draws[0] < share
    for frame in range(1, shape[0]):
        inside[frame] = np.where(inside[frame - 1], draws[frame] >= leave, draws[frame] < enter)
    return inside


def velocity(pose: Array, rate_hz: float) -> Array:
    """Central differences of `pose` [F, ...] in units per second; zero for a single frame."""
    return np.gradient(pose, axis=0) * rate_hz if len(pose) > 1 else np.zeros_like(pose)
