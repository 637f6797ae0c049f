"""Pinhole cameras anywhere around the person.

Image coordinates are continuous, in pixels: (0, 0) is the outer corner of the first pixel, whose centre is
at (0.5, 0.5). Camera axes as those of the sensor frame: x right, y down, z along the optical axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
NEAR = 0.05
"""Depth, metres, below which nothing is seen."""


@dataclass(frozen=True, kw_only=True)
class Pinhole:
    """Intrinsics and place of a camera; the default looks along z from the origin of the sensor frame."""

    focal: tuple[float, float]
    """Along x and y, pixels."""
    centre: tuple[float, float]
    """Principal point, pixels."""
    size: tuple[int, int]
    """Width and height, pixels."""
    rotation: Array = field(default_factory=lambda: np.eye(3))
    """[3, 3] from the sensor frame to camera axes."""
    position: Array = field(default_factory=lambda: np.zeros(3))
    """[3] m in the sensor frame."""

    def to_camera(self, points: Array) -> Array:
        """Points [..., 3] m of the sensor frame in camera axes."""
        moved: Array = points - self.position
        return moved @ self.rotation.T

    def project(self, points: Array) -> Array:
        """Pixels [..., 2] of points [..., 3] m of the sensor frame, which must lie before the camera."""
        seen = self.to_camera(points)
        depth = np.maximum(seen[..., 2:], NEAR)
        return np.array(self.focal) * seen[..., :2] / depth + np.array(self.centre)

    def rays(self) -> tuple[Floats, Floats]:
        """x [W] and y [H] of the rays (x, y, 1), in camera axes, through the centres of the pixels."""
        x, y = (
            ((np.arange(count) + 0.5 - middle) / focal).astype(np.float32)
            for count, middle, focal in zip(self.size, self.centre, self.focal, strict=True)
        )
        return x, y
