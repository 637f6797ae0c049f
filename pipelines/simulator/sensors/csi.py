"""WiFi: channel state information of one transmitter and three receiving antennas.

The channel is a sum of paths: static ones of the room, and one over each body joint whose length
changes with the pose. A receiver then scales it (gain control), filters the band edges, adds noise
and stores whole numbers for the in-phase and quadrature parts. Amplitudes are 20 log10 of their
modulus, so a lost entry (0 + 0j) reads -inf: a real MM-Fi frame holds such whole numbers exactly,
which explains both its decibel-like level and the infinities that readers must clean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.simulator.config import SimulatorConfig
from equipose.pipelines.simulator.sensors.signals import drift, velocity

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
ANTENNAS, SUBCARRIERS, PACKETS = 3, 114, 10
CARRIER, SPACING = 5.32e9, 312.5e3
"""Centre frequency and subcarrier spacing (40 MHz channel), Hz."""
LIGHT = 299_792_458.0
TRANSMITTER = np.array([-1.6, 0.1, 1.2])
RECEIVER = np.array([1.6, 0.1, 1.2])
"""Positions of the two ends, metres: MM-Fi's are unpublished; the person stands beyond their line."""
ROOM_POWER, DAY_POWER, BODY_POWER = 0.65, 0.25, 0.10
"""Shares of the received power: paths of the room, paths that changed between visitors, the body."""
REFLECTIONS = 10
"""Static paths of a room."""
USUAL_DISTANCE = 2.55
"""Metres from either end to a person where MM-Fi's people stand: there the scattered power is 1."""
SHADOW_DEPTH = 0.6
"""Share of a path's amplitude that a body in its way blocks: the rest bends around it."""
SHADOW_WIDTH = 0.16
"""Metres from a path within which a joint weakens it."""
PROFILE_KNOTS = (0, 6, 12, 18, 36, 48, 60, 72, 84, 90, 96, 102, 108, 113)
PROFILE_DB = {
    "E01": (32.5, 36.1, 37.6, 38.0, 39.1, 39.7, 38.8, 39.8, 42.1, 43.0, 43.5, 43.1, 40.9, 37.0),
    "E02": (35.3, 39.0, 40.9, 41.4, 39.7, 41.3, 40.8, 39.4, 40.8, 42.1, 42.2, 41.7, 39.7, 36.0),
    "E03": (35.4, 39.2, 41.2, 41.4, 40.6, 39.7, 39.1, 39.5, 40.8, 42.1, 42.8, 42.2, 39.9, 36.0),
}
"""Mean amplitude, dB, at some subcarriers, measured on MM-Fi; E04 was not measured and takes the mean."""
MEAN_LOG_FADING = -3.4
"""Mean of 20 log10 |h| over this model's fading at unit power, dB."""
GAIN_COMMON, GAIN_ANTENNA, GAIN_SLOW = 0.7, 0.9, 0.8
"""Standard deviations, dB, of gain per packet, per packet and antenna, and of its slow drift."""
AGC_STRENGTH = 0.7
"""Share of a change of total power, in dB, that gain control removes."""
FULL_SCALE = 511
"""Largest whole number of the 10-bit in-phase and quadrature parts."""
NOISE_DB = 0.15
"""Standard deviation, dB, of one entry's noise at the usual level."""


def profile(environment: str) -> Array:
    """Mean amplitude [114], dB, of an environment; the mean of the measured ones for others."""
    levels = PROFILE_DB.get(environment, tuple(np.mean(list(PROFILE_DB.values()), axis=0)))
    return np.interp(np.arange(SUBCARRIERS), PROFILE_KNOTS, levels)


def frequencies() -> Array:
    """Frequency [114], Hz, of each subcarrier: -57..-1 and 1..57 about the centre."""
    index = np.concatenate([np.arange(-57, 0), np.arange(1, 58)])
    return CARRIER + SPACING * index


def antennas() -> Array:
    """Positions [3, 3], metres, of the receiving antennas, half a wavelength apart."""
    offsets = (np.arange(ANTENNAS) - 1)[:, None] * np.array([0.0, 0.0, LIGHT / CARRIER / 2])
    return RECEIVER + offsets


def static_channel(rng: np.random.Generator, pose: Array | None = None) -> Complex:
    """Channel [F or 1, 1, 3, 114] of unit mean power: reflections with exponentially falling power.

    With `pose` [F, 17, 3] m, the body shadows the paths that it blocks.
    """
    points = rng.uniform([-2.0, -1.4, 2.6], [2.0, 0.8, 5.5], size=(REFLECTIONS, 3))
    ways = np.linalg.norm(points - TRANSMITTER, axis=-1) + np.linalg.norm(points - RECEIVER, axis=-1)
    delays = ways / LIGHT + rng.exponential(25e-9, REFLECTIONS)
    power = np.exp(-delays / 45e-9)
    parts = rng.standard_normal((2, ANTENNAS, REFLECTIONS)) / np.sqrt(2)
    gains = (parts[0] + 1j * parts[1]) * np.sqrt(power / power.sum())
    waves = np.exp(-2j * np.pi * delays[:, None] * (frequencies() - CARRIER))
    passing = np.ones((1, REFLECTIONS)) if pose is None else shadowing(pose, points)
    return ((passing[:, None] * gains) @ waves)[:, None]


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


def observe_wifi(
    pose: Array, environment: str, subject: str, config: SimulatorConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """CSI amplitude, dB, and phase, radians, each [F, 3, 114, 10]; -inf where an entry was lost."""
    noise = config.noise["wifi"]
    room = static_channel(numpy_rng(config.seed, "simulator", "room", environment), pose)
    day = static_channel(numpy_rng(config.seed, "simulator", "day", environment, subject))
    channel = np.sqrt(BODY_POWER) * body_channel(pose, config.rate_hz)
    channel += np.sqrt(ROOM_POWER) * room + np.sqrt(DAY_POWER) * day
    channel *= _agc(channel)
    level = profile(environment) - MEAN_LOG_FADING + noise * _gain(len(pose), rng)
    channel *= 10 ** (level / 20)
    channel += noise * _thermal(channel.shape, rng)
    lost = rng.uniform(size=channel.shape[:3]) < config.csi_infinite
    whole = np.moveaxis(np.where(lost[..., None], 0.0, _quantise(channel)), 1, -1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(whole.real**2 + whole.imag**2), np.angle(whole)


def _agc(channel: Complex) -> Array:
    """Factor [F, 10, 1, 1] that brings a packet's power most of the way to 1."""
    power = np.mean(channel.real**2 + channel.imag**2, axis=(2, 3), keepdims=True)
    return power ** (-AGC_STRENGTH / 2)


def _quantise(channel: Complex) -> Complex:
    """Whole in-phase and quadrature parts within the converter's range."""
    parts = [np.clip(np.rint(part), -FULL_SCALE, FULL_SCALE) for part in (channel.real, channel.imag)]
    return np.asarray(parts[0] + 1j * parts[1])


def _gain(frames: int, rng: np.random.Generator) -> Array:
    """Gain [F, 10, 3, 1], dB: automatic gain control of packets and antennas, and its slow drift."""
    common = GAIN_COMMON * rng.standard_normal((frames, PACKETS, 1, 1))
    own = GAIN_ANTENNA * rng.standard_normal((frames, PACKETS, ANTENNAS, 1))
    return common + own + GAIN_SLOW * drift(rng, (frames, 1, 1, 1), 0.99)


def _thermal(shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
    """Complex noise that moves an amplitude of 100 by about `NOISE_DB`."""
    size = 100.0 * (10 ** (NOISE_DB / 20) - 1)
    noise = rng.standard_normal((*shape, 2), dtype=np.float32)
    return np.asarray(size * (noise[..., 0] + 1j * noise[..., 1]), np.complex128)
