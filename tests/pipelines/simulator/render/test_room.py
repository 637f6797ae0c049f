"""The room is a box of planes, and its walls are those that the radar's ghosts are mirrored at."""

from __future__ import annotations

import numpy as np

from equipose.pipelines.simulator.people.motion import FLOOR
from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.render.room import BACK, CEILING, back_wall, room_depth, side_walls

PLACE = np.array([0.1, 0.0, 0.2])
CAMERA = Pinhole(focal=(380.0, 380.0), centre=(320.0, 240.0), size=(640, 480), position=PLACE)


def test_every_pixel_lies_on_a_plane_inside_the_box() -> None:
    depth = room_depth(0, "E02", CAMERA)
    x, y = CAMERA.rays()
    px, py, pz = x * depth + 0.1, y[:, None] * depth, depth + 0.2
    left, right = side_walls(0, "E02")
    back = back_wall(0, "E02")
    gaps = np.stack([px - left, right - px, py - CEILING, FLOOR - py, back - pz])
    assert gaps.min() > -1e-5
    assert np.abs(gaps.min(0)).max() < 1e-5
    assert depth[240, 320] == np.float32(back - 0.2)
    assert (np.argmin(gaps[:, 479, 320]), np.argmin(gaps[:, 0, 320])) == (3, 2)


def test_rooms_differ_by_environment_and_seed() -> None:
    walls = [back_wall(seed, f"E{n:02d}") for seed in (0, 1) for n in range(1, 5)]
    assert len(set(walls)) == 8
    assert BACK[0] <= min(walls) < max(walls) <= BACK[1]
    assert back_wall(0, "E01") == walls[0]
