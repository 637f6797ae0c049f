"""WiFi: channel state information of one transmitter and three receiving antennas.

A receiver scales the channel (`channel`) by its gain control, filters the band edges, each antenna's chain a
little differently, adds noise and stores whole numbers for the in-phase and quadrature parts. Amplitudes are
20 log10 of their modulus, so a lost entry (0 + 0j) reads -inf: a real MM-Fi frame holds such whole numbers
exactly, which explains both its decibel-like level and the infinities that readers must clean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.config import SUBJECTS, SimulatorConfig
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.rooms import Multipath
from equipose.pipelines.simulator.sensors.channel import (
    ANTENNAS,
    PACKETS,
    SUBCARRIERS,
    Array,
    Complex,
    Paths,
    body_channel,
    direct_channel,
    draw_paths,
    static_channel,
)
from equipose.pipelines.simulator.sensors.signals import drift

DIRECT_POWER, ROOM_POWER, DAY_POWER = 0.05, 0.925, 0.009
"""Relative powers of the direct path, of paths of the room, of paths that changed between visitors; the body
has 0.01 unless a room sets its share. A strong direct path would leave fades shallower than MM-Fi's; what
changes between visitors (a chair, a door) is little, yet enough that a network learns few people by heart
instead of their poses."""
USUAL = Multipath()
PROFILE_KNOTS = (0, 6, 12, 18, 36, 48, 60, 72, 84, 90, 96, 102, 108, 113)
PROFILE_DB = {
    "E01": (32.5, 36.1, 37.6, 38.0, 39.1, 39.7, 38.8, 39.8, 42.1, 43.0, 43.5, 43.1, 40.9, 37.0),
    "E02": (35.3, 39.0, 40.9, 41.4, 39.7, 41.3, 40.8, 39.4, 40.8, 42.1, 42.2, 41.7, 39.7, 36.0),
    "E03": (35.4, 39.2, 41.2, 41.4, 40.6, 39.7, 39.1, 39.5, 40.8, 42.1, 42.8, 42.2, 39.9, 36.0),
}
"""Mean amplitude, dB, at some subcarriers, measured on MM-Fi; E04 was not measured and takes the mean."""
CORRELATION = 0.1
"""Correlation between two antennas' amplitudes over the subcarriers: mean of three rooms of MM-Fi, where the
nine pairs lie between -0.12 and 0.31."""
ROOM_DRAWS = 64
"""Rooms that are drawn to choose one."""
GAIN_COMMON, GAIN_ANTENNA, GAIN_SLOW, GAIN_VISIT = 0.7, 0.9, 0.8, 1.0
"""Standard deviations, dB, of gain: per packet, per packet and antenna, slow drift, between visitors."""
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


@dataclass(frozen=True, kw_only=True)
class Room:
    """What does not change in a room."""

    paths: Paths
    power: float
    """Mean power of its channel with somebody there."""
    level: Array
    """[114] dB from that channel to whole numbers. The measured profile holds the fades of a real room, so
    those that the antennas share here are taken out of it, lest they count twice."""


@lru_cache(maxsize=64)
def room_of(seed: int, environment: str, multipath: Multipath = USUAL) -> Room:
    """A room whose antennas differ as MM-Fi's do.

    With few paths, antennas are alike or opposite by chance, more than in any room that was measured. So of
    `ROOM_DRAWS` rooms the one is taken whose correlations between antennas lie nearest to `CORRELATION`.
    """
    rng = numpy_rng(seed, "simulator", "room", environment)
    direct = np.sqrt(DIRECT_POWER) * direct_channel()[0]
    best, found = np.inf, None
    for _ in range(ROOM_DRAWS):
        paths = draw_paths(rng, multipath.paths, multipath.delay_spread / 1e9)
        channel = direct + np.sqrt(ROOM_POWER) * static_channel(paths, _visitors())[:, 0]
        fading = 20 * np.log10(np.abs(channel))
        level = profile(environment) - fading.mean(axis=(0, 1))
        seen = np.moveaxis(level + fading, 1, 0).reshape(ANTENNAS, -1)
        pairs = np.corrcoef(seen)[np.triu_indices(ANTENNAS, 1)]
        if (gap := np.abs(pairs - CORRELATION).max()) < best:
            best = gap
            found = Room(paths=paths, power=float(np.mean(np.abs(channel) ** 2)), level=level)
    assert found is not None
    return found


@lru_cache(maxsize=1)
def _visitors() -> Array:
    """Two postures each, [20, 17, 3] m, of ten people where MM-Fi's stand."""
    config, actions = SimulatorConfig(frames=16), ("A02", "A12", "A13", "A22", "A27")
    chosen = [(subject, actions[n % len(actions)]) for n, subject in enumerate(SUBJECTS[::4])]
    return np.concatenate([simulate_motion(subject, action, config)[::15] for subject, action in chosen])


def observe_wifi(
    pose: Array, environment: str, subject: str, config: SimulatorConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """CSI amplitude, dB, and phase, radians, each [F, 3, 114, 10]; -inf where an entry was lost."""
    noise = config.noise["wifi"]
    multipath = config.room(environment).wifi_multipath or USUAL
    room = room_of(config.seed, environment, multipath)
    visit = numpy_rng(config.seed, "simulator", "day", environment, subject)
    day, gain = draw_paths(visit), GAIN_VISIT * visit.standard_normal() + _gain(len(pose), rng)
    channel = multipath.body * body_channel(pose, config.rate_hz)
    channel += np.sqrt(DIRECT_POWER) * direct_channel()
    channel += np.sqrt(ROOM_POWER) * static_channel(room.paths, pose) + np.sqrt(DAY_POWER) * static_channel(
        day
    )
    channel *= _agc(channel / np.sqrt(room.power))
    channel *= 10 ** ((room.level + noise * gain) / 20)
    channel += noise * _thermal(channel.shape, rng)
    lost = rng.uniform(size=channel.shape[:3]) < config.csi_infinite
    whole = np.moveaxis(np.where(lost[..., None], 0.0, _quantise(channel)), 1, -1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(whole.real**2 + whole.imag**2), np.angle(whole)


def _agc(channel: Complex) -> Array:
    """Factor [F, 10, 1, 1] that brings a packet's power most of the way to the usual one, 1."""
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
