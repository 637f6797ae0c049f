"""Skeleton sequences of a subject repeating an action somewhere in the room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.config import SimulatorConfig, environment_of
from equipose.pipelines.simulator.people.actions import motion_of
from equipose.pipelines.simulator.people.keyposes import channel, interpolate, pack
from equipose.pipelines.simulator.people.kinematics import pose_skeleton, turn
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.rooms import Room

Array = NDArray[np.float64]
FLOOR = 0.85
"""y of the floor in the sensor frame, metres (one MM-Fi pose has its ankles at y = 0.76)."""
STANCE_X = {"E01": -0.035, "E02": -0.035, "E03": -0.035, "E04": 0.239}
"""Mean x of the root by environment, metres, as measured on MM-Fi."""
STANCE_Z = 3.13
"""Mean depth of the root, metres, as measured on MM-Fi E01-E03."""


def simulate_motion(subject: str, action: str, config: SimulatorConfig) -> Array:
    """Pose [config.frames, 17, 3], metres in the sensor frame, of a subject repeating an action."""
    environment, motion = environment_of(subject), motion_of(action)
    room = config.room(environment)
    who = person(config.seed, subject, room.people)
    rng = numpy_rng(config.seed, "simulator", "motion", subject, action)
    times = np.arange(config.frames) / config.rate_hz
    phases, extent = _repetitions(rng, times, motion.seconds / who.tempo, who.unsteadiness)
    knots = np.array([phase for phase, _ in motion.keys])
    keys = np.stack([pack(key) for _, key in motion.keys])
    # Extents scale away from the first key, so that a resting foot stays on the floor.
    postures = keys[0] + (who.amplitude * extent)[:, None] * (interpolate(phases, knots, keys) - keys[0])
    postures += who.habit
    position, facing = _stance(rng, environment, times, room)
    _sway(rng, postures, times)
    return pose_skeleton(postures, who.skeleton, facing, position, FLOOR)


def _repetitions(
    rng: np.random.Generator, times: Array, seconds: float, unsteadiness: float
) -> tuple[Array, Array]:
    """Phase [F] (whole part counts repetitions) and extent [F] of the motion at `times`."""
    count = int(np.ceil(2.0 * times[-1] / seconds)) + 3
    durations = seconds * np.clip(rng.normal(1.0, 0.06 * unsteadiness, count), 0.75, 1.4)
    extents = np.clip(rng.normal(1.0, 0.05 * unsteadiness, count + 1), 0.8, 1.15)
    starts = np.concatenate([[0.0], np.cumsum(durations)]) - rng.uniform() * durations[0]
    phases = np.interp(times, starts, np.arange(count + 1))
    return phases, np.interp(phases, np.arange(count + 1), extents)


def _stance(rng: np.random.Generator, environment: str, times: Array, room: Room) -> tuple[Array, Array]:
    """Where the person stands [F, 2] (x, z) and which way they face [F, 3, 3]; constant in a sequence."""
    x = STANCE_X[environment] + 0.06 * rng.standard_normal() + room.stance[0]
    z = STANCE_Z + 0.09 * rng.standard_normal() + room.stance[1]
    facing = turn(np.full(len(times), 4.0 * rng.standard_normal() + room.facing))
    return np.broadcast_to([x, z], (len(times), 2)).copy(), facing


def _sway(rng: np.random.Generator, postures: Array, times: Array) -> None:
    """Add the slow sway of a standing body, in place."""
    for name, size in (("lean", 1.0), ("bend", 0.8), ("twist", 1.2), ("nod", 2.0)):
        channel(postures, name)[...] += size * _slow(rng, times)
    for axis in (0, 2):
        channel(postures, "shift")[:, axis] += 0.008 * _slow(rng, times)


def _slow(rng: np.random.Generator, times: Array) -> Array:
    """A smooth random signal [F] of about unit size below 0.5 Hz."""
    frequency, phase = rng.uniform(0.05, 0.45, 3), rng.uniform(0, 2 * np.pi, 3)
    return np.sin(2 * np.pi * frequency * times[:, None] + phase).sum(axis=1) * np.sqrt(2 / 3)
