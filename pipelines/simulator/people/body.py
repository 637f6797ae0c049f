"""A body of capsules around the 17 joints: the surface that light and radio waves hit.

Works on any pose sequence, simulated or measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import JOINTS

Array = NDArray[np.float64]
J = {name: index for index, name in enumerate(JOINTS)}


@dataclass(frozen=True, kw_only=True)
class Capsules:
    """C capsules (a segment with a radius) in F frames."""

    start: Array
    """[F, C, 3] m."""
    end: Array
    """[F, C, 3] m."""
    radius: Array
    """[C] m."""


_LIMBS: tuple[tuple[str, str, float], ...] = (
    ("hip", "knee", 0.078),
    ("knee", "ankle", 0.054),
    ("hip", "shoulder", 0.105),
    ("shoulder", "elbow", 0.047),
    ("elbow", "wrist", 0.038),
)
_TRUNK: tuple[tuple[str, str, float], ...] = (
    ("pelvis", "spine", 0.12),
    ("spine", "thorax", 0.12),
    ("left_hip", "right_hip", 0.095),
    ("left_shoulder", "right_shoulder", 0.06),
    ("thorax", "head", 0.06),
)
HEAD_RADIUS, HAND_RADIUS, FOOT_RADIUS = 0.095, 0.038, 0.042
HAND_LENGTH, FOOT_LENGTH = 0.1, 0.16

PARTS: tuple[str, ...] = (
    *(f"{side}_{lower}" for side in ("left", "right") for _, lower, _ in _LIMBS),
    *("abdomen", "chest", "hips", "shoulders", "nape", "skull"),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("hand", "foot")),
)
"""Name of each capsule; limbs by the joint they end at."""


def forward_of(pose: Array) -> Array:
    """Horizontal unit direction [F, 3] in which the hips of `pose` [F, 17, 3] face."""
    across = pose[:, J["left_hip"]] - pose[:, J["right_hip"]]
    ahead = np.stack([across[:, 2], np.zeros(len(pose)), -across[:, 0]], axis=-1)
    return ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)


def head_axes(pose: Array) -> tuple[Array, Array, Array]:
    """Unit directions left, up and front [F, 3] of the head of `pose` [F, 17, 3]."""
    ahead = forward_of(pose)
    chest = pose[:, J["left_shoulder"]] - pose[:, J["right_shoulder"]]
    left = chest / np.maximum(np.linalg.norm(chest, axis=-1, keepdims=True), 1e-6)
    neck = pose[:, J["head"]] - pose[:, J["thorax"]]
    up = neck - np.sum(neck * left, -1, keepdims=True) * left
    up /= np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    front = np.cross(up, left)
    front *= np.where(np.sum(front * ahead, -1, keepdims=True) < 0, -1.0, 1.0)
    return left, up, front


def body(pose: Array, girth: float) -> Capsules:
    """Capsules, in the order of `PARTS`, of `pose` [F, 17, 3] for a person of that relative thickness."""
    segments: list[tuple[Array, Array, float]] = []
    for side in ("left", "right"):
        segments += [(pose[:, J[f"{side}_{a}"]], pose[:, J[f"{side}_{b}"]], r) for a, b, r in _LIMBS]
    segments += [(pose[:, J[a]], pose[:, J[b]], r) for a, b, r in _TRUNK]
    segments.append(_skull(pose))
    for side in ("left", "right"):
        segments += [_hand(pose, side), _foot(pose, side)]
    starts, ends, radii = zip(*segments, strict=True)
    return Capsules(start=np.stack(starts, 1), end=np.stack(ends, 1), radius=girth * np.array(radii))


def _skull(pose: Array) -> tuple[Array, Array, float]:
    head = pose[:, J["head"]]
    up = head - pose[:, J["thorax"]]
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    return head - 0.02 * up, head + 0.03 * up, HEAD_RADIUS


def _hand(pose: Array, side: str) -> tuple[Array, Array, float]:
    wrist, elbow = pose[:, J[f"{side}_wrist"]], pose[:, J[f"{side}_elbow"]]
    along = wrist - elbow
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    return wrist, wrist + HAND_LENGTH * along, HAND_RADIUS


def _foot(pose: Array, side: str) -> tuple[Array, Array, float]:
    ankle = pose[:, J[f"{side}_ankle"]] + np.array([0.0, 0.035, 0.0])
    return ankle, ankle + FOOT_LENGTH * forward_of(pose), FOOT_RADIUS


def ray_distance(rays: Array, start: Array, end: Array, radius: Array) -> Array:
    """Metres [N] from the origin along unit `rays` [N, 3] to capsules [N, ...]; inf where they miss.

    The nearest root of the quadratic for the side of the capsule, else for the sphere at the nearer end.
    """
    axis = end - start
    length2 = np.maximum(np.einsum("ni,ni->n", axis, axis), 1e-12)
    axis_ray = np.einsum("ni,ni->n", axis, rays)
    axis_start = np.einsum("ni,ni->n", axis, start)
    ray_start = np.einsum("ni,ni->n", rays, start)
    start2 = np.einsum("ni,ni->n", start, start)
    quadratic = length2 - axis_ray**2
    half = axis_start * axis_ray - length2 * ray_start
    rest = length2 * (start2 - radius**2) - axis_start**2
    inside = half**2 - quadratic * rest
    side = (-half - np.sqrt(np.maximum(inside, 0.0))) / np.maximum(quadratic, 1e-12)
    along = side * axis_ray - axis_start
    beyond = along >= length2
    cap_ray = ray_start + np.where(beyond, axis_ray, 0.0)
    cap2 = start2 + np.where(beyond, 2 * axis_start + length2, 0.0)
    cap = cap_ray**2 - cap2 + radius**2
    capped = cap_ray - np.sqrt(np.maximum(cap, 0.0))
    middle = (inside >= 0) & (along > 0) & ~beyond
    distance = np.where(middle, side, np.where((cap >= 0) & (inside >= 0), capped, np.inf))
    return np.where(distance > 0, distance, np.inf)
