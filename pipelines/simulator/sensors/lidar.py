"""LiDAR: where the beams of a spinning scanner hit the capsules of the body.

Each capsule is tested only against the beams inside its angular bounding box, for all frames at
once, so the cost depends on the body's silhouette and not on the scanner's field of view.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.simulator.people.body import Capsules, ray_distance

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
HALF_WIDTH, HALF_HEIGHT = np.radians(50.0), np.radians(40.0)
"""Half the field of view, radians."""
RANGE_ERROR = 0.018
"""Standard deviation of a range, metres."""
DROPOUT, STRAY = 0.06, 0.004
"""Share of lost beams, and of beams with a wrong range."""
_SILHOUETTE = 0.07
"""Solid angle of a standing person 3.1 m away, steradian: sets the beam spacing."""


def observe_lidar(capsules: Capsules, points: int, noise: float, rng: np.random.Generator) -> list[Array]:
    """Per frame the points [N, 3], metres, where beams hit the body; about `points` of them at 3.1 m."""
    spacing = np.array([1.0, 1.25]) * np.sqrt(_SILHOUETTE / points / 1.25)
    shift = rng.uniform(size=len(capsules.start)) * spacing[0]
    frame, rays, distance = _first_hits(capsules, spacing, shift)
    error = rng.standard_normal(len(distance))
    lost = rng.uniform(size=len(distance)) < DROPOUT * noise
    stray = rng.uniform(size=len(distance)) < STRAY * noise
    distance = distance + RANGE_ERROR * noise * error
    distance = np.where(stray, distance * rng.uniform(0.85, 1.1, len(distance)), distance)
    found = (distance[:, None] * rays)[~lost]
    counts = np.bincount(frame[~lost], minlength=len(capsules.start))
    return np.split(found, np.cumsum(counts)[:-1])


def _first_hits(capsules: Capsules, spacing: Array, shift: Array) -> tuple[Ints, Array, Array]:
    """Frame [N], beam direction [N, 3] and distance [N] of all beams that hit the body, frame by frame."""
    columns, rows = (
        int(2 * half / step) for half, step in zip((HALF_WIDTH, HALF_HEIGHT), spacing, strict=True)
    )
    frame, part, column, row = _candidates(capsules, spacing, shift, columns, rows)
    azimuth = column * spacing[0] - HALF_WIDTH + shift[frame]
    elevation = row * spacing[1] - HALF_HEIGHT
    flat = np.cos(elevation)
    rays = np.stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], axis=-1)
    distance = ray_distance(
        rays, capsules.start[frame, part], capsules.end[frame, part], capsules.radius[part]
    )
    met = np.isfinite(distance)
    frame, rays, distance = frame[met], rays[met], distance[met]
    beam = (frame * rows + row[met]) * columns + column[met]
    order = np.lexsort((distance, beam))
    nearest = order[np.flatnonzero(np.diff(beam[order], prepend=-1))]
    return frame[nearest], rays[nearest], distance[nearest]


def _candidates(
    capsules: Capsules, spacing: Array, shift: Array, columns: int, rows: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """(frame, capsule, column, row) [N] of every beam inside some capsule's angular bounding box."""
    ends = np.stack([capsules.start, capsules.end])
    flat = np.maximum(np.hypot(ends[..., 0], ends[..., 2]), 0.3)
    azimuth, elevation = np.arctan2(ends[..., 0], ends[..., 2]), np.arctan2(ends[..., 1], flat)
    margin = np.arcsin(np.minimum(capsules.radius / flat, 0.9)) + 0.004
    low_x, high_x = (azimuth - margin).min(0) - shift[:, None], (azimuth + margin).max(0) - shift[:, None]
    low_y, high_y = (elevation - margin).min(0), (elevation + margin).max(0)
    x0, x1 = _cells(low_x, high_x, HALF_WIDTH, spacing[0], columns)
    y0, y1 = _cells(low_y, high_y, HALF_HEIGHT, spacing[1], rows)
    width, height = np.maximum(x1 - x0, 0).ravel(), np.maximum(y1 - y0, 0).ravel()
    area = width * height
    owner = np.repeat(np.arange(area.size), area)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(area) - area, area)
    frame, part = np.divmod(owner, len(capsules.radius))
    return frame, part, x0.ravel()[owner] + within % width[owner], y0.ravel()[owner] + within // width[owner]


def _cells(low: Array, high: Array, half: float, step: float, count: int) -> tuple[Ints, Ints]:
    """First and last-plus-one beam index between two angles."""
    first = np.clip(np.ceil((low + half) / step), 0, count).astype(np.int64)
    last = np.clip(np.floor((high + half) / step) + 1, 0, count).astype(np.int64)
    return first, last
