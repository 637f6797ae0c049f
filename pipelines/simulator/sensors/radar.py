"""mmWave: sparse FMCW detections of scatterers on the body, with Doppler, ghosts and clutter.

Follows the usual chain: echoes weighted by the radar equation and by how they move, range, Doppler
and angle at the sensor's resolution, one detection per cell above a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.config import SimulatorConfig
from equipose.pipelines.simulator.people.body import Capsules
from equipose.pipelines.simulator.render.room import walls_of
from equipose.pipelines.simulator.sensors.signals import velocity

Array = NDArray[np.float64]
RANGE_STEP, DOPPLER_STEP = 0.044, 0.13
"""Cell sizes: metres and m/s."""
PER_PART = 8
"""Scatterers on each capsule. With these and `LEVEL_DB` the people of MARS (2 m away) give a median of 22
detections a frame; its radar gave 32."""
THRESHOLD_DB = 12.0
"""Signal-to-noise ratio at which a cell is reported."""
LEVEL_DB = 24.0
"""Signal-to-noise ratio of a moving scatterer of 0.1 m radius, seen face on, 3 m away."""
STILL_LOSS_DB, STILL_SPEED = 7.0, 0.12
"""Removal of static echoes weakens slow scatterers: dB lost at rest, and the speed, m/s, of its decay."""
ANGLE_ERROR = np.radians(2.2), np.radians(4.5)
"""Azimuth and elevation error, radians, of a detection at the threshold; falls as the ratio grows."""


@dataclass(frozen=True, kw_only=True)
class Echoes:
    """N echoes of all frames, before detection."""

    frame: NDArray[np.int64]
    point: Array
    """[N, 3] m."""
    doppler: Array
    """[N] m/s, positive when moving away."""
    ratio: Array
    """[N] signal-to-noise ratio, dB."""


def radial_velocity(points: Array, velocities: Array) -> Array:
    """m/s [...] away from the sensor of points [..., 3] m with velocities [..., 3] m/s."""
    return np.sum(points * velocities, -1) / np.maximum(np.linalg.norm(points, axis=-1), 1e-6)


def body_echoes(capsules: Capsules, rate_hz: float, noise: float, rng: np.random.Generator) -> Echoes:
    """Echoes from fixed spots along the capsules, on the side that faces the sensor."""
    frames, parts = capsules.start.shape[:2]
    share = rng.uniform(size=(parts, PER_PART, 1))
    axis = capsules.end - capsules.start
    spot = capsules.start[:, :, None] + share * axis[:, :, None]
    speed = velocity(spot, rate_hz)
    toward = -spot / np.linalg.norm(spot, axis=-1, keepdims=True)
    surface = spot + capsules.radius[:, None, None] * toward
    doppler = radial_velocity(spot, speed)
    along = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
    facing = 1 - np.sum(along[:, :, None] * toward, -1) ** 2
    fading = 10 * np.log10(rng.exponential(size=facing.shape) + 1e-3)
    distance = np.linalg.norm(surface, axis=-1)
    ratio = (
        LEVEL_DB
        + 20 * np.log10(capsules.radius / 0.1)[:, None]
        + 10 * np.log10(facing + 0.05)
        - 40 * np.log10(distance / 3)
        - STILL_LOSS_DB * np.exp(-((doppler / STILL_SPEED) ** 2))
        + noise * fading
    )
    frame = np.broadcast_to(np.arange(frames)[:, None, None], ratio.shape)
    return Echoes(
        frame=frame.ravel(), point=surface.reshape(-1, 3), doppler=doppler.ravel(), ratio=ratio.ravel()
    )


def observe_mmwave(
    capsules: Capsules, environment: str, config: SimulatorConfig, rng: np.random.Generator
) -> list[Array]:
    """Per frame the detections [N, 5]: x, y, z m, Doppler m/s, intensity dB; N may be 0."""
    frames = len(capsules.start)
    noise = config.noise["mmwave"]
    echoes = body_echoes(capsules, config.rate_hz, noise, rng)
    detected = _detect(echoes)
    detected = _measure(detected, noise, rng)
    extra = [_ghosts(detected, environment, config, rng), _clutter(frames, environment, config, rng)]
    every = _join([detected, *extra])
    silent = rng.uniform(size=frames) < config.radar_empty
    keep = ~silent[every.frame]
    order = np.lexsort((-every.ratio, every.frame))
    order = order[keep[order]]
    table = np.column_stack([every.point, every.doppler, every.ratio])[order]
    counts = np.bincount(every.frame[order], minlength=frames)
    return np.split(table, np.cumsum(counts)[:-1])


def _select(echoes: Echoes, rows: NDArray[np.generic]) -> Echoes:
    return Echoes(
        frame=echoes.frame[rows],
        point=echoes.point[rows],
        doppler=echoes.doppler[rows],
        ratio=echoes.ratio[rows],
    )


def _join(parts: list[Echoes]) -> Echoes:
    return Echoes(
        frame=np.concatenate([part.frame for part in parts]),
        point=np.concatenate([part.point for part in parts]),
        doppler=np.concatenate([part.doppler for part in parts]),
        ratio=np.concatenate([part.ratio for part in parts]),
    )


def _detect(echoes: Echoes) -> Echoes:
    """The strongest echo of each (frame, range, Doppler, coarse azimuth) cell above the threshold."""
    echoes = _select(echoes, echoes.ratio > THRESHOLD_DB)
    distance = np.linalg.norm(echoes.point, axis=-1)
    azimuth = np.arctan2(echoes.point[:, 0], echoes.point[:, 2])
    cells = np.column_stack(
        [
            echoes.frame,
            np.round(distance / RANGE_STEP),
            np.round(echoes.doppler / DOPPLER_STEP),
            np.round(azimuth / np.radians(15.0)),
        ]
    )
    order = np.lexsort((-echoes.ratio, *cells.T[::-1]))
    change = np.any(np.diff(cells[order], axis=0), axis=1)
    first = np.concatenate([[True], change]) if len(order) else np.zeros(0, bool)
    return _select(echoes, order[first])


def _measure(echoes: Echoes, noise: float, rng: np.random.Generator) -> Echoes:
    """Positions and Doppler at the sensor's resolution, angles with their error; exact without noise."""
    if noise == 0:
        return echoes
    x, y, z = echoes.point.T
    distance = np.linalg.norm(echoes.point, axis=-1)
    relative = noise * 10 ** (-(echoes.ratio - THRESHOLD_DB) / 20)
    azimuth = np.arctan2(x, z) + ANGLE_ERROR[0] * relative * rng.standard_normal(len(x))
    elevation = np.arcsin(y / distance) + ANGLE_ERROR[1] * relative * rng.standard_normal(len(x))
    distance = np.round(distance / RANGE_STEP) * RANGE_STEP
    flat = np.cos(elevation)
    point = np.column_stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)])
    return Echoes(
        frame=echoes.frame,
        point=point * distance[:, None],
        doppler=np.round(echoes.doppler / DOPPLER_STEP) * DOPPLER_STEP,
        ratio=echoes.ratio,
    )


def _ghosts(detected: Echoes, environment: str, config: SimulatorConfig, rng: np.random.Generator) -> Echoes:
    """Mirror images behind the side walls of the room, weaker than the original."""
    walls = walls_of(config, environment)
    rows = np.flatnonzero(rng.uniform(size=len(detected.frame)) < config.radar_ghosts)
    ghosts = _select(detected, rows)
    wall = walls[rng.integers(0, 2, len(rows))]
    point = ghosts.point.copy()
    point[:, 0] = 2 * wall - point[:, 0]
    return Echoes(frame=ghosts.frame, point=point, doppler=ghosts.doppler, ratio=ghosts.ratio - 3.0)


def _clutter(frames: int, environment: str, config: SimulatorConfig, rng: np.random.Generator) -> Echoes:
    """Detections of furniture, at fixed positions in a room, and of nothing at all."""
    room = numpy_rng(config.seed, "simulator", "clutter", environment)
    furniture = room.uniform([-1.8, -0.6, 1.0], [1.8, 0.8, 5.0], size=(6, 3))
    counts = rng.poisson(config.radar_clutter, frames)
    total = int(counts.sum())
    fixed = furniture[rng.integers(0, len(furniture), total)] + 0.05 * rng.standard_normal((total, 3))
    anywhere = rng.uniform([-1.8, -0.8, 1.0], [1.8, 0.8, 5.0], size=(total, 3))
    still = rng.uniform(size=total) < 0.7
    doppler = np.where(still, 0.0, np.round(rng.normal(0, 0.5, total) / DOPPLER_STEP) * DOPPLER_STEP)
    return Echoes(
        frame=np.repeat(np.arange(frames), counts),
        point=np.where(still[:, None], fixed, anywhere),
        doppler=doppler,
        ratio=THRESHOLD_DB + rng.exponential(3.0, total),
    )
