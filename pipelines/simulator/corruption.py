"""What contamination does to one raw frame. Pure functions: a new frame of the same shape and type.

A frame is as the simulator gives it: key points [17, 2] pixels, points [N, 3 or more] m, CSI amplitude
[3, 114, 10] dB with -inf where lost, or a depth image [H, W] of whole millimetres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import Image, Points, sensor_of
from equipose.pipelines.simulator.sensors.camera import IMAGE_SIZE

Frame = NDArray[Any]
FLAT = 5 / 8
"""An offset of key points along y, as a share of that along x: 40 and 25 pixels."""


def usable(frame: Frame, sensor: str) -> bool:
    """Whether preparation will take the frame as valid."""
    about = sensor_of(sensor)
    if isinstance(about.layout, Points):
        return len(frame) > 0
    if isinstance(about.layout, Image):
        return bool(frame.any())
    values = about.repair(frame) if about.repair else frame
    return bool(np.isfinite(values).all()) and not (about.refuse_constant and np.ptp(values) == 0)


def noisy(frame: Frame, sensor: str, size: float, rng: np.random.Generator) -> Frame:
    """White noise of standard deviation `size`: pixels, metres, or a share of a WiFi frame's span."""
    layout = sensor_of(sensor).layout
    if isinstance(layout, Points):
        return _shifted(frame, size * rng.standard_normal((len(frame), 3)))
    if isinstance(layout, Image):
        return _deeper(frame, size * rng.standard_normal(frame.shape, np.float32))
    if sensor == "wifi":
        return np.asarray(frame + size * _span(frame) * rng.standard_normal(frame.shape))
    return _inside(frame + size * rng.standard_normal(frame.shape))


def miscalibrated(frame: Frame, sensor: str, size: float, rng: np.random.Generator) -> Frame:
    """A shift by `size`, as `noisy`, in a drawn direction: equal generators give the same one."""
    layout = sensor_of(sensor).layout
    if isinstance(layout, Points):
        direction = rng.standard_normal(3)
        return _shifted(frame, size * direction / np.linalg.norm(direction))
    if isinstance(layout, Image):
        return _deeper(frame, np.float32(size * rng.choice((-1, 1))))
    if sensor == "wifi":
        turned = antennas_turned(frame, rng)
        slope = np.linspace(-0.5, 0.5, frame.shape[1])[:, None] * rng.choice((-1, 1))
        return np.asarray(turned + size * _span(frame) * slope)
    return _inside(frame + size * np.array([1, FLAT]) * rng.choice((-1, 1), 2))


def antennas_turned(frame: Frame, rng: np.random.Generator) -> Frame:
    """CSI [3, 114, 10], amplitude or phase, whose antennas are connected in another, rotated order."""
    return np.roll(frame, int(rng.integers(1, 3)), axis=0)


def emptied(frame: Frame, sensor: str) -> Frame:
    """Zeros that preparation takes for a reading.

    It would refuse a WiFi frame or a depth image without any difference in it, so there one entry is 1.
    """
    zeros = np.zeros_like(frame)
    about = sensor_of(sensor)
    if about.refuse_constant or isinstance(about.layout, Image):
        zeros.flat[0] = 1
    return zeros


def _shifted(points: Frame, by: NDArray[np.float64]) -> Frame:
    moved = points.copy()
    moved[:, :3] += by
    return moved


def _deeper(depth: Frame, by: NDArray[np.float32] | np.float32) -> Frame:
    """Depths, millimetres, moved by metres; pixels without a reading keep none."""
    moved = np.clip(np.rint(depth + 1000 * by), 1, np.iinfo(depth.dtype).max)
    return np.where(depth > 0, moved, 0).astype(depth.dtype)


def _inside(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(pixels, 0.0, np.array(IMAGE_SIZE) - 1.0)


def _span(frame: Frame) -> float:
    """From the smallest to the largest finite value, dB."""
    finite = frame[np.isfinite(frame)]
    return float(np.ptp(finite)) if finite.size else 0.0
