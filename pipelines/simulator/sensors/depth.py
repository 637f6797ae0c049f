"""Depth camera: a stereo pair that measures depth along the left camera's axis.

Errors are those of triangulation: a disparity error moves a point by its depth squared over focal length and
baseline (Gallup et al., "Variable baseline/resolution stereo", CVPR 2008). There is no reading where the
right camera cannot see what the left one sees, and none where matching fails.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from equipose.pipelines.simulator.config import SimulatorConfig
from equipose.pipelines.simulator.people.body import Capsules
from equipose.pipelines.simulator.render.pinhole import Floats
from equipose.pipelines.simulator.render.room import room_depth
from equipose.pipelines.simulator.render.zbuffer import render
from equipose.pipelines.simulator.rooms import Mounting
from equipose.pipelines.simulator.sensors.infra import BASELINE, CAMERAS, FOCAL

Millimetres = NDArray[np.uint16]
Mask = NDArray[np.bool_]
CAMERA = CAMERAS["infra1"]
FARTHEST = 10.0
"""Metres; what lies beyond has no reading."""
DISPARITY_ERROR = 0.06
"""Standard deviation of a matched disparity, pixels; half its variance is shared by neighbours."""
PATCH = 4
"""Pixels over which neighbours share errors: the matcher compares patches."""
EDGE_LOSS, SPOT_LOSS = 0.35, 0.004
"""Share of lost readings at depth edges, and in spots anywhere."""
EDGE = 1.0
"""Disparity step to a neighbour, pixels, that makes an edge."""


def background(config: SimulatorConfig, environment: str) -> Floats:
    """Depth [480, 640], metres, of the empty room as the camera is mounted there."""
    mounting, camera = config.room(environment).mounting.get("depth", Mounting()), CAMERA
    if mounting != Mounting():
        turn = mounting.rotation
        camera = replace(CAMERA, rotation=turn, position=mounting.position + turn.T @ CAMERA.position)
    return room_depth(config.seed, environment, camera, config.room(environment).walls)


def observe_depth(
    capsules: Capsules, room: Floats, noise: float, rng: np.random.Generator
) -> list[Millimetres]:
    """Per frame the depth [480, 640] of person and room, whole millimetres; 0 where there is no reading.

    `capsules` in the axes of the sensor as it is mounted; `room` [480, 640] m as from `background`.
    """
    return [_measure(np.minimum(seen.depth, room), noise, rng) for seen in render(capsules, CAMERA)]


def _measure(depth: Floats, noise: float, rng: np.random.Generator) -> Millimetres:
    """Readings of true depths [H, W], metres."""
    if noise > 0:
        disparity = (FOCAL * BASELINE) / depth
        white, shared = rng.standard_normal(depth.shape, np.float32), _shared(depth.shape, rng)
        lost = _shadow(disparity, noise) | _unmatched(disparity, noise, shared, rng)
        error = noise * DISPARITY_ERROR * 0.5**0.5 * (white + shared)
        depth = np.where(lost, np.float32(0), depth + error * depth / disparity)
    seen = (depth > 0) & (depth < FARTHEST)
    return np.where(seen, np.rint(1000 * depth), 0).astype(np.uint16)


def _shared(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A field [H, W] of unit variance whose neighbours correlate over `PATCH` pixels."""
    knots = rng.standard_normal([-(-count // PATCH) + 3 for count in shape], np.float32)
    field: Floats = _blend(_blend(knots.T).T)[: shape[0], : shape[1]]
    return field


def _blend(knots: Floats) -> Floats:
    """`PATCH` values [..., PATCH * (K - 3)] after each knot [..., K], from the four around them."""
    share = (np.arange(PATCH) + 0.5) / PATCH
    weight = np.exp(-0.5 * ((share[:, None] - np.arange(-1, 3)) / 0.7) ** 2)
    weight = (weight / np.linalg.norm(weight, axis=1, keepdims=True)).astype(np.float32)
    count = knots.shape[-1] - 3
    blended = np.empty((*knots.shape[:-1], count, PATCH), np.float32)
    for phase, four in enumerate(weight.tolist()):
        blended[..., phase] = sum(w * knots[..., k : k + count] for k, w in enumerate(four))
    return blended.reshape(*knots.shape[:-1], -1)


def _shadow(disparity: Floats, noise: float) -> Mask:
    """[H, W] where something nearer hides a pixel of the left image from the right camera.

    The right camera sees a pixel at its column less its disparity; it is hidden if any pixel to its right
    lands on the same place or to the left of it. `noise` widens the shadow.
    """
    place = np.arange(disparity.shape[1], dtype=np.float32) - noise * disparity
    beyond = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(place.shape, np.bool_)
    hidden[:, :-1] = beyond[:, 1:] <= place[:, :-1]
    return hidden


def _unmatched(disparity: Floats, noise: float, shared: Floats, rng: np.random.Generator) -> Mask:
    """[H, W] readings lost at depth edges, one by one, and in spots, where the shared error is extreme."""
    edge = np.zeros(disparity.shape, np.bool_)
    across, down = np.abs(np.diff(disparity, axis=1)) > EDGE, np.abs(np.diff(disparity, axis=0)) > EDGE
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    rows, columns = np.nonzero(edge)
    kept = rng.uniform(size=len(rows)) >= EDGE_LOSS * noise
    edge[rows[kept], columns[kept]] = False
    spots = shared > -ndtri(min(SPOT_LOSS * noise, 0.5))
    return edge | spots
