"""The radio channel between a WiFi transmitter and three receiving antennas: a sum of paths over the air.

The direct path; paths over reflections of the room, which the body shadows; and one over each body joint,
whose length changes with the pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.simulator.sensors.signals import velocity

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
ANTENNAS, SUBCARRIERS, PACKETS = 3, 114, 10
CARRIER, SPACING = 5.32e9, 312.5e3
"""Centre frequency and subcarrier spacing (40 MHz channel), Hz."""
LIGHT = 299_792_458.0
TRANSMITTER = np.array([-1.6, 0.1, 1.2])
RECEIVER = np.array([1.6, 0.1, 1.2])
"""Positions of the two ends, metres: MM-Fi's are unpublished; the person stands beyond their line."""
REFLECTIONS = 20
"""Static paths of a room."""
DETOUR, DECAY = 15.0, 80e-9
"""Mean length, metres, that further reflections add to a static path; seconds in which power falls to 1/e."""
USUAL_DISTANCE = 2.55
"""Metres from either end to a person where MM-Fi's people stand: there the scattered power is 1."""
SHADOW_DEPTH = 0.8
"""Share of a path's amplitude that a body in its way blocks: the rest bends around it."""
SHADOW_WIDTH = 0.2
"""Metres from a path within which a joint weakens it: a limb and the path's Fresnel zone."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """P paths over reflections, each with one point near the person at which it turns."""

    points: Array
    """[P, 3] m."""
    delays: Array
    """[P] s."""
    gains: Complex
    """[3, P] per antenna, independent: antennas are half a wavelength apart in a field of many directions."""


def draw_paths(rng: np.random.Generator, count: int = REFLECTIONS, decay: float = DECAY) -> Paths:
    """Paths of unit total power, which falls exponentially with delay: to 1/e in `decay` seconds."""
    points = rng.uniform([-2.0, -1.4, 2.6], [2.0, 0.8, 5.5], size=(count, 3))
    ways = np.linalg.norm(points - TRANSMITTER, axis=-1) + np.linalg.norm(points - RECEIVER, axis=-1)
    delays = (ways + rng.exponential(DETOUR, count)) / LIGHT
    power = np.exp(-delays / decay)
    parts = rng.standard_normal((2, ANTENNAS, count)) / np.sqrt(2)
    gains = (parts[0] + 1j * parts[1]) * np.sqrt(power / power.sum())
    return Paths(points=points, delays=delays, gains=gains)


def frequencies() -> Array:
    """Frequency [114], Hz, of each subcarrier: -57..-1 and 1..57 about the centre."""
    index = np.concatenate([np.arange(-57, 0), np.arange(1, 58)])
    return CARRIER + SPACING * index


def antennas() -> Array:
    """Positions [3, 3], metres, of the receiving antennas, half a wavelength apart."""
    offsets = (np.arange(ANTENNAS) - 1)[:, None] * np.array([0.0, 0.0, LIGHT / CARRIER / 2])
    return RECEIVER + offsets


def direct_channel() -> Complex:
    """Channel [1, 1, 3, 114] of unit power over the line from the transmitter to each antenna."""
    delay = np.linalg.norm(antennas() - TRANSMITTER, axis=-1) / LIGHT
    return np.exp(-2j * np.pi * delay[:, None] * frequencies())[None, None]


def static_channel(paths: Paths, pose: Array | None = None) -> Complex:
    """Channel [F or 1, 1, 3, 114] over paths of a room.

    With `pose` [F, 17, 3] m, the body shadows the paths that it blocks.
    """
    waves = np.exp(-2j * np.pi * paths.delays[:, None] * (frequencies() - CARRIER))
    passing = np.ones((1, len(paths.points))) if pose is None else shadowing(pose, paths.points)
    return np.asarray(((passing[:, None] * paths.gains) @ waves)[:, None])


def shadowing(pose: Array, points: Array) -> Array:
    """Amplitude factors [F, P] of paths over `points` [P, 3] m past a body `pose` [F, 17, 3] m.

    Each joint blocks more the nearer it is to either leg of the path, over a width like that of a limb and
    its Fresnel zone.
    """
    depth = np.zeros((len(pose), len(points)))
    for end in (TRANSMITTER, RECEIVER):
        leg = points - end
        share = np.clip((pose - end) @ leg.T / np.sum(leg**2, axis=-1), 0.0, 1.0)
        away = pose[:, :, None] - end - share[..., None] * leg
        depth += np.exp(-np.sum(away**2, -1) / (2 * SHADOW_WIDTH**2)).sum(axis=1)
    return 1.0 - SHADOW_DEPTH * (1.0 - np.exp(-depth))


def body_channel(pose: Array, rate_hz: float) -> Complex:
    """Channel [F, 10, 3, 114] of unit mean power over paths transmitter - joint - antenna.

    `pose` [F, 17, 3] m; the ten packets of a frame follow the motion during it.
    """
    frames = len(pose)
    moments = (np.arange(PACKETS) - (PACKETS - 1) / 2) / (PACKETS * rate_hz)
    moving = pose[:, None] + moments[:, None, None] * velocity(pose, rate_hz)[:, None]
    out = np.linalg.norm(moving - TRANSMITTER, axis=-1)
    back = np.linalg.norm(moving[:, :, None] - antennas()[:, None], axis=-1)
    delay = (out[:, :, None] + back) / LIGHT
    strength = 1.0 / (out[:, :, None] * back)
    channel = _sum_paths(strength.reshape(-1, NUM_JOINTS), delay.reshape(-1, NUM_JOINTS))
    # Normalised for the usual person, not for this one: a nearer person must scatter more.
    return channel.reshape(frames, PACKETS, ANTENNAS, SUBCARRIERS) / (np.sqrt(NUM_JOINTS) / USUAL_DISTANCE**2)


def _sum_paths(strength: Array, delay: Array) -> Complex:
    """[N, 114] sums over paths p of strength[n, p] exp(-2 pi i f delay[n, p]).

    Frequencies lie on a grid, so each exponential splits into a coarse and a fine factor: 19 + 7
    of them replace 115, and the sum over paths becomes a product of small matrices.
    """
    grid = np.arange(-57, 58).reshape(5, 23)
    coarse, fine = grid[:, 0], grid[0] - grid[0, 0]
    near = np.exp(-2j * np.pi * ((CARRIER * delay) % 1.0)) * strength
    step = -2j * np.pi * SPACING * delay
    left = near[:, None, :] * np.exp(step[:, None, :] * coarse[:, None])
    right = np.exp(step[:, :, None] * fine)
    whole = (left @ right).reshape(len(delay), -1)
    return np.delete(whole, 57, axis=1)
