"""RGB: the 17 COCO key points that a 2D pose detector would report for the image of a pinhole camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import COCO_KEYPOINTS, JOINTS
from equipose.pipelines.simulator.people.body import J, body, head_axes, ray_distance
from equipose.pipelines.simulator.sensors.signals import drift, spells

Array = NDArray[np.float64]
IMAGE_SIZE = (640, 480)
"""Width and height of MM-Fi's images, pixels."""
FOCAL = 580.0
"""Focal length, pixels: keeps a standing person with raised arms inside the image. MM-Fi's is unpublished."""
PIXEL_ERROR, DRIFT_ERROR, HIDDEN_ERROR = 1.5, 2.0, 14.0
"""Standard deviations, pixels: white and slow error of a visible point, extra slow error of a hidden one."""
_FACE = {"nose": (0.0, -0.01, 0.1), "left_eye": (0.032, 0.025, 0.085), "right_eye": (-0.032, 0.025, 0.085),
         "left_ear": (0.075, 0.0, 0.0), "right_ear": (-0.075, 0.0, 0.0)}  # fmt: skip
"""(left, up, forward) of the face points from the head joint, metres."""
NO_BIAS: Array = np.zeros((len(COCO_KEYPOINTS), 2))
_PAIRS = (("left_ankle", "right_ankle"), ("left_knee", "right_knee"), ("left_wrist", "right_wrist"))


def keypoints_3d(pose: Array) -> Array:
    """COCO key points [F, 17, 3] m of `pose` [F, 17, 3]: its own limbs, and a face at the head joint."""
    points = np.empty((len(pose), len(COCO_KEYPOINTS), 3))
    left, up, front = head_axes(pose)
    for index, name in enumerate(COCO_KEYPOINTS):
        if name in JOINTS:
            points[:, index] = pose[:, J[name]]
        else:
            a, b, c = _FACE[name]
            points[:, index] = pose[:, J["head"]] + a * left + b * up + c * front
    return points


def project(points: Array) -> Array:
    """Pixels [..., 2] of points [..., 3] m in front of the camera."""
    depth = np.maximum(points[..., 2:], 0.1)
    return FOCAL * points[..., :2] / depth + np.array(IMAGE_SIZE) / 2


def hidden(points: Array, pose: Array, girth: float) -> NDArray[np.bool_]:
    """[F, 17] whether another body part lies between the camera and a key point."""
    capsules = body(pose, girth)
    frames, count = points.shape[:2]
    parts = len(capsules.radius)
    distance = np.linalg.norm(points, axis=-1)
    rays = np.broadcast_to((points / distance[..., None])[:, :, None], (frames, count, parts, 3))
    shape = rays.shape
    start = np.broadcast_to(capsules.start[:, None], shape).reshape(-1, 3)
    end = np.broadcast_to(capsules.end[:, None], shape).reshape(-1, 3)
    radius = np.broadcast_to(capsules.radius, shape[:3]).ravel()
    first = ray_distance(rays.reshape(-1, 3), start, end, radius).reshape(shape[:3]).min(axis=2)
    # A joint lies inside its own limb; 0.17 m is deeper than any part's own surface.
    return first < distance - 0.17


def observe_rgb(
    pose: Array,
    girth: float,
    noise: float,
    rng: np.random.Generator,
    bias: Array = NO_BIAS,
    light: float = 1.0,
) -> Array:
    """Key points [F, 17, 2], pixels, COCO order, inside the image; errors scale with `noise`.

    `bias` [17, 2], pixels, moves each throughout. `light` multiplies errors and confusions.
    """
    points = keypoints_3d(pose)
    return detections(project(points) + bias, points, pose, girth, noise, rng, light)


def detections(
    pixels: Array,
    points: Array,
    pose: Array,
    girth: float,
    noise: float,
    rng: np.random.Generator,
    light: float = 1.0,
) -> Array:
    """What a detector reports [F, 17, 2] of key points that lie at `pixels` [F, 17, 2] of an image.

    `points` and `pose` [F, 17, 3] m are in the axes of that camera. `light` multiplies the errors, as `noise`
    does, and how often limbs are confused.
    """
    frames, count = pixels.shape[:2]
    jitter = PIXEL_ERROR * rng.standard_normal(pixels.shape) + DRIFT_ERROR * drift(rng, pixels.shape, 0.9)
    lost = drift(rng, pixels.shape, 0.85) * HIDDEN_ERROR
    jumps = spells(rng, (frames, count), 0.08, 4.0)[..., None] * rng.standard_normal((1, count, 2)) * 30.0
    confusion = spells(rng, (frames, len(_PAIRS)), 0.015 * light, 3.0)
    if noise > 0:
        blind = hidden(points, pose, girth)[..., None]
        pixels = pixels + noise * light * (jitter + blind * (lost + jumps))
        pixels = _exchange(pixels, confusion & (rng.uniform(size=confusion.shape) < noise))
    return np.clip(pixels, 0.0, np.array(IMAGE_SIZE) - 1.0)


def _exchange(pixels: Array, swapped: NDArray[np.bool_]) -> Array:
    """Swap left and right limbs in `swapped` frames where they are close in the image."""
    result = pixels.copy()
    for pair, (left, right) in enumerate(_PAIRS):
        a, b = COCO_KEYPOINTS.index(left), COCO_KEYPOINTS.index(right)
        rows = swapped[:, pair] & (np.linalg.norm(pixels[:, a] - pixels[:, b], axis=-1) < 60)
        result[rows, a], result[rows, b] = pixels[rows, b], pixels[rows, a]
    return result
