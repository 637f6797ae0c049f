"""Numbers as short text: 16-bit steps in base64, which the player unpacks."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = -32768
"""Stands for NaN."""
STEPS = 65534
"""Between the smallest and the largest number."""


def packed(values: NDArray[np.floating]) -> dict[str, Any]:
    """`low`, `step` and `data`: each number is `low + step * (n + 32767)`, n a little-endian int16.

    The error is at most half of `step`, which is 1/65534 of the range: 0.04 mm for poses in a room of 5 m.
    Numbers that are not finite become NaN.
    """
    flat = np.asarray(values, np.float64).reshape(-1)
    known = np.isfinite(flat)
    low, high = (float(flat[known].min()), float(flat[known].max())) if known.any() else (0.0, 0.0)
    step = (high - low) / STEPS or 1.0
    steps = np.full(flat.shape, MISSING, dtype="<i2")
    steps[known] = np.rint((flat[known] - low) / step) - 32767
    return {"low": low, "step": step, "data": text(steps.tobytes())}


def unpacked(plain: dict[str, Any]) -> NDArray[np.float64]:
    """Inverse of `packed`, flat."""
    steps = np.frombuffer(base64.b64decode(plain["data"]), "<i2")
    values = plain["low"] + plain["step"] * (steps.astype(np.float64) + 32767)
    return np.where(steps == MISSING, np.nan, values)


def text(content: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(content).decode()
