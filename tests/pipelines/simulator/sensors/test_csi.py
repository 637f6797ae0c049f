"""Antennas of the simulated WiFi receiver differ as those of MM-Fi do."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion
from equipose.pipelines.simulator.sensors.csi import profile, room_of

REAL = -0.12, 0.31
"""Least and largest correlation between two antennas' amplitudes in three rooms of MM-Fi."""
PAIRS = np.triu_indices(3, 1)


def recorded(environment: str) -> np.ndarray:
    """Amplitudes [N, 3, 114, 10] dB of all people of a room in two actions, NaN where lost."""
    config, first = SimulatorConfig(frames=12), 10 * (int(environment[1:]) - 1)
    found: list[np.ndarray] = []
    for number in range(first + 1, first + 11):
        for action in ("A02", "A22"):
            subject = f"S{number:02d}"
            pose = simulate_motion(subject, action, config)
            found += observe(
                pose,
                environment=environment,
                subject=subject,
                key=action,
                config=config,
                modalities=("wifi",),
            )["wifi"][::4]
    amplitude = np.array(found)
    return np.where(np.isfinite(amplitude), amplitude, np.nan)


@pytest.mark.parametrize("environment", ["E01", "E02", "E03"])
def test_antennas_correlate_as_in_real_rooms(environment: str) -> None:
    flat = np.moveaxis(recorded(environment), 1, 0).reshape(3, -1)
    pairs = np.corrcoef(flat[:, np.isfinite(flat).all(axis=0)])[PAIRS]
    assert REAL[0] < pairs.min()
    assert pairs.max() < REAL[1]


def test_antennas_of_many_rooms_correlate_as_in_real_rooms_on_average() -> None:
    found = []
    for seed in range(1, 4):
        config = SimulatorConfig(frames=6, seed=seed)
        for environment, subject in (("E01", "S03"), ("E02", "S13"), ("E03", "S23"), ("E04", "S33")):
            pose = simulate_motion(subject, "A12", config)
            frames = observe(
                pose, environment=environment, subject=subject, key="A12", config=config, modalities=("wifi",)
            )["wifi"]
            mean = np.mean([np.where(np.isfinite(f), f, 0.0).mean(axis=-1) for f in frames], axis=0)
            found.append(np.corrcoef(mean)[PAIRS])
    assert REAL[0] < np.mean(found) < REAL[1]


def test_rooms_are_the_same_each_time_and_differ_by_seed_and_place() -> None:
    room = room_of(0, "E01")
    room_of.cache_clear()
    again = room_of(0, "E01")
    assert np.array_equal(room.paths.gains, again.paths.gains)
    assert np.array_equal(room.level, again.level)
    assert not np.array_equal(room.paths.gains, room_of(1, "E01").paths.gains)
    assert not np.array_equal(room.paths.gains, room_of(0, "E02").paths.gains)


def test_shared_fades_are_taken_out_of_the_measured_profile() -> None:
    assert (room_of(0, "E01").level - profile("E01")).std() > 0.5
