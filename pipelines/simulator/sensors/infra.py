"""The infrared pair of a depth camera: key points that a 2D detector reports for each of its images."""

from __future__ import annotations

import numpy as np

from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.sensors.camera import NO_BIAS, Array, detections, keypoints_3d

BASELINE = 0.05
"""Metres between the two cameras."""
FOCAL = 385.0
"""Focal length, pixels; MM-Fi publishes neither it nor the baseline: both are usual for such cameras."""
ERROR = 1.2
"""Multiple of the RGB detector's errors: grey images with a pattern of dots; a person is smaller in them."""


def _camera(x: float, centre: tuple[float, float]) -> Pinhole:
    return Pinhole(focal=(FOCAL, FOCAL), centre=centre, size=(640, 480), position=np.array([x, 0.0, 0.0]))


CAMERAS: dict[str, Pinhole] = {
    "infra1": _camera(0.015, (321.5, 238.4)),
    "infra2": _camera(0.015 + BASELINE, (318.8, 238.4)),
}
"""Left and right camera, on the right of the RGB camera; rectified: they differ along x alone."""


def observe_infra(
    which: str, pose: Array, girth: float, noise: float, rng: np.random.Generator, bias: Array = NO_BIAS
) -> Array:
    """Key points [F, 17, 2], pixels, COCO order, of `infra1` or `infra2`; errors scale with `noise`.

    `bias` [17, 2], pixels, moves each throughout.
    """
    camera = CAMERAS[which]
    points = keypoints_3d(pose)
    pixels, seen = camera.project(points), camera.to_camera(points)
    return detections(pixels + bias, seen, camera.to_camera(pose), girth, ERROR * noise, rng)
