"""The empty room around the person: a box of planes, the same for all sensors that see its walls."""

from __future__ import annotations

import numpy as np

from equipose.models.randomness import numpy_rng
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


def room_depth(seed: int, environment: str, camera: Pinhole) -> Floats:
    """Depth [H, W], metres, of floor, ceiling and walls for a camera that is not turned."""
    x, y = camera.rays()
    left, right = side_walls(seed, environment) - camera.position[0]
    floor, ceiling = FLOOR - camera.position[1], CEILING - camera.position[1]
    with np.errstate(divide="ignore"):
        beside = np.where(x < 0, left / np.minimum(x, 0), right / np.maximum(x, 0))
        level = np.where(y < 0, ceiling / np.minimum(y, 0), floor / np.maximum(y, 0))
    behind = back_wall(seed, environment) - camera.position[2]
    return np.minimum(np.minimum(beside, behind), level[:, None]).astype(np.float32)
