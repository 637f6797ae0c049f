"""Every pixel shows the nearest capsule, at its depth, with its normal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from equipose.pipelines.simulator import SimulatorConfig, simulate_motion
from equipose.pipelines.simulator.people.body import Capsules, body, ray_distance
from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.render.zbuffer import NOTHING, boxes, normals, render, surface

CAMERA = Pinhole(focal=(110.0, 120.0), centre=(50.5, 41.5), size=(96, 80))


def at(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array(points, dtype=np.float64)


def by_brute_force(start: np.ndarray, end: np.ndarray, radius: np.ndarray, camera: Pinhole) -> np.ndarray:
    """Depth [C, H, W] of every capsule along every ray."""
    x, y = camera.rays()
    rays = np.stack([*np.meshgrid(x.astype(float), y.astype(float)), np.ones((len(y), len(x)))], -1)
    length = np.linalg.norm(rays, axis=-1)
    flat = (rays / length[..., None]).reshape(-1, 3)
    found = [
        ray_distance(flat, np.tile(s, (len(flat), 1)), np.tile(e, (len(flat), 1)), np.full(len(flat), r))
        for s, e, r in zip(start, end, radius, strict=True)
    ]
    return np.array(found).reshape(-1, *length.shape) / length


def test_a_sphere_and_a_cylinder_of_known_depth() -> None:
    start, end = at((0.0, 0, 3), (-0.6, 0, 2)), at((0.0, 0, 3), (-0.6, 9, 2))
    seen = surface(start, end, np.array([0.5, 0.1]), CAMERA)
    assert seen.part[41, 50] == 0
    assert seen.depth[41, 50] == pytest.approx(2.5, abs=1e-4)
    bottom = seen.part[-1]
    column = int(np.median(np.flatnonzero(bottom == 1)))
    assert seen.depth[-1, column] == pytest.approx(2 * (1 - 0.1 / np.hypot(0.6, 2)), abs=0.005)
    assert np.all(np.isinf(seen.depth) == (seen.part == NOTHING))


def test_pixels_are_those_of_all_rays_through_all_capsules() -> None:
    pose = simulate_motion("S03", "A20", SimulatorConfig(frames=20))
    capsules = body(pose, 1.1)
    for frame, seen in enumerate(render(capsules, CAMERA)):
        if frame % 7:
            continue
        every = by_brute_force(capsules.start[frame], capsules.end[frame], capsules.radius, CAMERA)
        nearest = every.min(0)
        assert np.mean(np.isfinite(nearest) != np.isfinite(seen.depth)) < 2e-4
        both = np.isfinite(nearest) & np.isfinite(seen.depth)
        assert both.sum() > 500
        gap = np.abs(nearest[both] - seen.depth[both])
        assert np.quantile(gap, 0.98) < 1e-3
        assert np.mean(every.argmin(0)[both] == seen.part[both]) > 0.98


def test_boxes_hold_their_capsule_tightly() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform([-1, -0.8, 1.5], [1, 0.8, 4], (40, 3))
    end = start + rng.normal(0, 0.3, (40, 3))
    radius = rng.uniform(0.02, 0.2, 40)
    wide = Pinhole(focal=(110.0, 120.0), centre=(200.0, 160.0), size=(400, 320))
    found = by_brute_force(start, end, radius, wide)
    for depth, (left, right, top, bottom) in zip(found, boxes(start, end, radius, wide), strict=True):
        rows, columns = np.nonzero(np.isfinite(depth))
        assert left <= columns.min() <= left + 2
        assert right - 3 <= columns.max() < right
        assert top <= rows.min() <= top + 2
        assert bottom - 3 <= rows.max() < bottom


def test_what_lies_behind_or_around_the_camera() -> None:
    start, end = at((0.0, 0, -3), (0.0, 0.3, -2)), at((0.0, 0, -2), (0.0, 0.3, 4))
    radius = np.array([0.2, 0.1])
    seen = surface(start, end, radius, CAMERA)
    assert 0 not in seen.part
    expected = by_brute_force(start, end, radius, CAMERA)[1]
    shown = (seen.part == 1) & np.isfinite(expected)
    assert np.allclose(seen.depth[shown], expected[shown], rtol=1e-3)
    assert np.mean((seen.part == 1) == np.isfinite(expected)) > 0.999


def test_normals_point_out_of_the_surface_toward_the_camera() -> None:
    start, end = at((0.0, -0.1, 3), (-0.4, 0.0, 2.6)), at((0.3, 0.2, 2.8), (-0.4, 0.4, 2.2))
    radius = np.array([0.2, 0.15])
    seen = surface(start, end, radius, CAMERA)
    pixels = seen.pixels()
    rows, columns = np.divmod(pixels, CAMERA.size[0])
    unit = normals(seen, CAMERA, pixels).T
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    x, y = CAMERA.rays()
    rays = np.stack([x[columns], y[rows], np.ones(len(rows))], axis=1)
    assert np.all(np.sum(rays * unit, axis=1) < 0.05)
    # A step of one radius against the normal ends on the axis of the capsule.
    part = seen.part[rows, columns]
    inner = rays * seen.depth[rows, columns, None] - radius[part, None] * unit
    axis = end[part] - start[part]
    share = np.clip(np.sum((inner - start[part]) * axis, 1) / np.sum(axis * axis, 1), 0, 1)
    assert np.quantile(np.linalg.norm(start[part] + share[:, None] * axis - inner, axis=1), 0.98) < 2e-3


def test_one_camera_or_one_for_each_frame() -> None:
    start, end = at((0.0, 0, 3)), at((0.0, 0.1, 3))
    capsules = Capsules(start=np.stack([start] * 2), end=np.stack([end] * 2), radius=np.array([0.1]))
    near = dataclasses.replace(CAMERA, position=np.array([0.0, 0.0, 1.5]))
    first, second = render(capsules, [CAMERA, near])
    assert (second.part == 0).sum() > 3 * (first.part == 0).sum()
    with pytest.raises(ValueError, match="cameras: got 3 for 2 frames"):
        list(render(capsules, [CAMERA] * 3))
