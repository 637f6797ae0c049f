"""Where a person stands and faces in a recording, and where the cameras are."""

from __future__ import annotations

import numpy as np

from equipose.models.randomness import numpy_rng
from equipose.models.skeleton import ROOT
from equipose.pipelines.simulator.people.kinematics import turn
from equipose.pipelines.simulator.people.motion import STANCE_Z
from equipose.pipelines.simulator.render.pictures import PictureConfig
from equipose.pipelines.simulator.render.pinhole import Array, Pinhole
from equipose.pipelines.simulator.render.viewpoints import around

FIXED: tuple[tuple[float, float, float], ...] = (
    (47.0, 7.0, 4.6),
    (-52.0, 8.0, 4.9),
    (133.0, 6.0, 4.8),
    (-128.0, 9.0, 5.2),
)
"""Yaw, elevation, degrees, and distance, metres, of the four fixed cameras from the middle of the room."""
MIDDLE: Array = np.array([0.0, -0.1, STANCE_Z])
"""Middle of the room at the height of a pelvis, metres in the sensor frame."""
TURN, STROLL = 40.0, 0.25
"""Slow turning, degrees, and walking about, metres: standard deviations within a recording."""
WANDER = {"yaw": 25.0, "elevation": 3.0, "distance": 0.5}
"""Standard deviations of a carried camera's way around the person: degrees, degrees, metres."""
AIM = 0.12
"""How far beside the pelvis a carried camera is aimed, standard deviation, metres."""
SLOW_HZ = (0.02, 0.2)
"""Frequencies of all of these."""


def _slow(rng: np.random.Generator, times: Array) -> Array:
    """A smooth random signal [F] of about unit size."""
    frequency, phase = rng.uniform(*SLOW_HZ, 3), rng.uniform(0, 2 * np.pi, 3)
    return np.sin(2 * np.pi * frequency * times[:, None] + phase).sum(axis=1) * np.sqrt(2 / 3)


def staged(pose: Array, rate_hz: float, roam: float, seed: int, subject: str, action: str) -> Array:
    """The pose [F, 17, 3] m turned to any side and moved about the room; the same for all cameras.

    People of the simulator face its sensors. Here they start facing anywhere, turn slowly and stroll; their
    feet slide with them.
    """
    rng = numpy_rng(seed, "simulator", "staging", subject, action)
    times = np.arange(len(pose)) / rate_hz
    degrees = rng.uniform(-180, 180) + TURN * _slow(rng, times)
    start = MIDDLE + roam * rng.standard_normal(3) * [1.0, 0.0, 1.0]
    way = np.stack([_slow(rng, times), np.zeros(len(pose)), _slow(rng, times)], axis=-1)
    pivot = np.median(pose[:, ROOT], axis=0)
    place = start * [1.0, 0.0, 1.0] + pivot * [0.0, 1.0, 0.0] + STROLL * way
    moved: Array = np.einsum("fij,fkj->fki", turn(degrees), pose - pivot) + place[:, None]
    return moved


def lens(config: PictureConfig) -> Pinhole:
    """The camera of a set before it is placed."""
    width, height = config.image_size
    return Pinhole(focal=(config.focal, config.focal), centre=(width / 2, height / 2), size=config.image_size)


def fixed_cameras(index: int, config: PictureConfig, frames: int) -> list[Pinhole]:
    """The fixed camera of that index, for every frame."""
    yaw, elevation, distance = FIXED[index]
    return [around(MIDDLE, yaw, elevation, distance, lens(config))] * frames


def carried_cameras(
    pose: Array, config: PictureConfig, rate_hz: float, rng: np.random.Generator
) -> list[Pinhole]:
    """A camera that is carried around the person of `pose` [F, 17, 3] m and aimed at them by hand."""
    times, plain = np.arange(len(pose)) / rate_hz, lens(config)
    way = {
        name: np.clip(
            rng.uniform(*getattr(config, name)) + spread * _slow(rng, times), *_bounds(name, config)
        )
        for name, spread in WANDER.items()
    }
    aim = pose[:, ROOT] + AIM * np.stack([_slow(rng, times) for _ in range(3)], axis=-1)
    return [
        around(target, yaw, elevation, distance, plain)
        for target, yaw, elevation, distance in zip(aim, *way.values(), strict=True)
    ]


def _bounds(name: str, config: PictureConfig) -> tuple[float, float]:
    """Directions have none."""
    low, high = getattr(config, name)
    return (-np.inf, np.inf) if name == "yaw" else (low, high)
