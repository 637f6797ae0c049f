"""The empty room around the person: a box of planes, the same for all sensors that see its walls."""

from __future__ import annotations

import numpy as np

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.config import SimulatorConfig
from equipose.pipelines.simulator.people.motion import FLOOR
from equipose.pipelines.simulator.render.pinhole import Array, Floats, Pinhole

CEILING = -1.9
"""y of the ceiling, metres."""
BACK = (4.3, 5.8)
"""Range of the depth of the wall behind the person, metres."""


def side_walls(seed: int, environment: str) -> Array:
    """x [2] of the walls on both sides of an environment, metres."""
    return numpy_rng(seed, "simulator", "walls", environment).uniform([-2.6, 1.6], [-1.6, 2.6])


def back_wall(seed: int, environment: str) -> float:
    """z of the wall behind the person, metres."""
    return float(numpy_rng(seed, "simulator", "back wall", environment).uniform(*BACK))


def walls_of(config: SimulatorConfig, environment: str) -> Array:
    """x [2] of the side walls, metres: those that the environment's room sets, else drawn ones."""
    own = config.room(environment).walls
    return side_walls(config.seed, environment) if own is None else np.array(own)


def room_depth(
    seed: int, environment: str, camera: Pinhole, walls: tuple[float, float] | None = None
) -> Floats:
    """Depth [H, W], metres, of floor, ceiling and walls.

    `walls`: x of those at the sides, metres, instead of the environment's drawn ones.
    """
    sides, back = (
        side_walls(seed, environment) if walls is None else np.array(walls),
        back_wall(seed, environment),
    )
    if not np.array_equal(camera.rotation, np.eye(3)):
        return _turned(sides, back, camera)
    x, y = camera.rays()
    left, right = sides - camera.position[0]
    floor, ceiling = FLOOR - camera.position[1], CEILING - camera.position[1]
    with np.errstate(divide="ignore"):
        beside = np.where(x < 0, left / np.minimum(x, 0), right / np.maximum(x, 0))
        level = np.where(y < 0, ceiling / np.minimum(y, 0), floor / np.maximum(y, 0))
    behind = back - camera.position[2]
    return np.minimum(np.minimum(beside, behind), level[:, None]).astype(np.float32)


def _turned(sides: Array, back: float, camera: Pinhole) -> Floats:
    """As `room_depth`, for a camera that is turned: along each ray, the nearest plane of the box."""
    x, y = camera.rays()
    ones = np.ones((len(y), len(x)))
    rays = np.stack([x * ones, y[:, None] * ones, ones], axis=-1) @ camera.rotation
    low = np.array([sides[0], CEILING, -np.inf]) - camera.position
    high = np.array([sides[1], FLOOR, back]) - camera.position
    with np.errstate(divide="ignore"):
        return np.where(rays < 0, low / rays, high / rays).min(axis=-1).astype(np.float32)
