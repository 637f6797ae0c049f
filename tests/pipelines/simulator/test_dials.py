"""Dials act on their own sensor, by as much as they say, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.inspection import summarize
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedSource
from equipose.pipelines.simulator import SUBJECTS, SimulatorConfig, observe, simulate_motion, write_mmfi_tree
from equipose.pipelines.simulator.dials import keypoint_bias, silent_frames, with_noise_of

FRAMES = 40
PLAIN = SimulatorConfig(frames=FRAMES)
DIALS: dict[str, Callable[[str], dict[str, Any]]] = {
    "noise_room_spread": lambda sensor: {"noise_room_spread": {sensor: 0.8}},
    "noise_subject_spread": lambda sensor: {"noise_subject_spread": {sensor: 0.8}},
    "dropout": lambda sensor: {"dropout": {sensor: 0.5}, "dropout_seconds": 0.2},
    "keypoint_bias_room": lambda sensor: {"keypoint_bias_room": {sensor: 5.0}},
    "keypoint_bias_subject": lambda sensor: {"keypoint_bias_subject": {sensor: 5.0}},
}
CASES = [
    (dial, sensor) for dial in DIALS for sensor in (("rgb",) if "bias" in dial else DEFAULT_SENSORS)
]  # fmt: skip


def look(config: SimulatorConfig, *modalities: str) -> dict[str, list[np.ndarray]]:
    pose = simulate_motion("S02", "A12", config)[: config.frames]
    return observe(
        pose,
        environment="E01",
        subject="S02",
        key="A12",
        config=config,
        modalities=modalities or DEFAULT_SENSORS,
    )


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Bit for bit, NaN included."""
    return [(f.shape, f.tobytes()) for f in first] == [(f.shape, f.tobytes()) for f in second]


@pytest.fixture(scope="module")
def plain() -> dict[str, list[np.ndarray]]:
    return look(PLAIN)


@pytest.mark.parametrize(("dial", "sensor"), CASES)
def test_a_dial_changes_its_sensor_alone_and_the_same_way_each_time(
    dial: str, sensor: str, plain: dict[str, list[np.ndarray]]
) -> None:
    config = SimulatorConfig(frames=FRAMES, **DIALS[dial](sensor))
    found = look(config)
    assert {name for name in found if not same(found[name], plain[name])} == {sensor}
    assert same(found[sensor], look(config, sensor)[sensor])


@pytest.mark.parametrize("sensor", ["infra1", "infra2", "depth"])
def test_dials_reach_the_optional_sensors(sensor: str) -> None:
    short = {"frames": 6, "seed": 1}
    usual = look(SimulatorConfig(**short), sensor)[sensor]  # type: ignore[arg-type]
    names = [name for name in DIALS if sensor != "depth" or "bias" not in name]
    for name in names:
        config = SimulatorConfig(**short, **DIALS[name](sensor))  # type: ignore[arg-type]
        assert not same(look(config, sensor)[sensor], usual), name


def test_noise_spreads_by_room_and_subject_around_its_median() -> None:
    def multiple(config: SimulatorConfig, room: str, subject: str) -> float:
        return with_noise_of(config, "lidar", room, subject).noise["lidar"]

    by_subject = SimulatorConfig(noise={"lidar": 2.0}, noise_subject_spread={"lidar": 0.5})
    logs = np.log([multiple(by_subject, "E01", subject) for subject in SUBJECTS])
    assert np.std(logs) == pytest.approx(0.5, rel=0.3)
    assert np.median(logs) == pytest.approx(np.log(2.0), abs=0.25)
    assert multiple(by_subject, "E02", "S01") == multiple(by_subject, "E01", "S01")
    by_room = SimulatorConfig(noise_room_spread={"lidar": 0.5})
    rooms = np.log([multiple(by_room, f"E{n:02d}", "S01") for n in range(60)])
    assert np.std(rooms) == pytest.approx(0.5, rel=0.3)
    assert multiple(by_room, "E01", "S01") == multiple(by_room, "E01", "S02")
    assert multiple(SimulatorConfig(), "E01", "S01") == 1.0


def test_a_perfect_sensor_stays_perfect() -> None:
    quiet = {"frames": FRAMES, "noise": {"lidar": 0.0}}
    spread = SimulatorConfig(**quiet, noise_room_spread={"lidar": 1.0})  # type: ignore[arg-type]
    assert same(look(spread, "lidar")["lidar"], look(SimulatorConfig(**quiet), "lidar")["lidar"])  # type: ignore[arg-type]


def test_bias_is_constant_in_pixels_over_the_frames_of_a_recording() -> None:
    quiet = {"frames": FRAMES, "noise": {"rgb": 0.0}}
    config = SimulatorConfig(**quiet, keypoint_bias_subject={"rgb": 4.0})  # type: ignore[arg-type]
    moved = np.stack(look(config, "rgb")["rgb"]) - np.stack(look(SimulatorConfig(**quiet), "rgb")["rgb"])  # type: ignore[arg-type]
    expected = keypoint_bias(config, "rgb", "E01", "S02")
    assert np.allclose(moved, expected, atol=1e-9)
    assert expected.std() == pytest.approx(4.0, rel=0.4)


def test_rooms_shift_all_key_points_alike_and_people_each_on_its_own() -> None:
    config = SimulatorConfig(keypoint_bias_room={"rgb": 3.0}, keypoint_bias_subject={"infra1": 3.0})
    room = keypoint_bias(config, "rgb", "E01", "S01")
    assert np.ptp(room, axis=0).max() == 0.0
    assert np.array_equal(room, keypoint_bias(config, "rgb", "E01", "S02"))
    assert not np.array_equal(room, keypoint_bias(config, "rgb", "E02", "S01"))
    person = keypoint_bias(config, "infra1", "E01", "S01")
    assert np.ptp(person, axis=0).min() > 1.0
    assert np.array_equal(person, keypoint_bias(config, "infra1", "E02", "S01"))
    assert not np.array_equal(person, keypoint_bias(config, "infra1", "E01", "S02"))


def test_dropout_is_a_share_of_the_frames_in_bursts() -> None:
    config = SimulatorConfig(dropout={"wifi": 0.3}, dropout_seconds=2.0)
    lost = silent_frames(config, "wifi", "E01", "S01", "A01", 20_000)
    assert lost.mean() == pytest.approx(0.3, abs=0.05)
    starts = np.count_nonzero(lost[1:] & ~lost[:-1]) + int(lost[0])
    assert lost.sum() / starts == pytest.approx(20, rel=0.25)
    assert not silent_frames(config, "rgb", "E01", "S01", "A01", 1000).any()
    assert not np.array_equal(lost, silent_frames(config, "wifi", "E01", "S01", "A02", 20_000))


@pytest.mark.parametrize("sensor", DEFAULT_SENSORS)
def test_frames_that_are_not_lost_stay_as_they_were(sensor: str, plain: dict[str, list[np.ndarray]]) -> None:
    config = SimulatorConfig(frames=FRAMES, dropout={sensor: 0.5}, dropout_seconds=0.5)
    lost = silent_frames(config, sensor, "E01", "S02", "A12", FRAMES)
    assert 5 < lost.sum() < 35
    found = look(config, sensor)[sensor]
    kept = [(a, b) for a, b, gone in zip(found, plain[sensor], lost, strict=True) if not gone]
    assert same(*map(list, zip(*kept, strict=True)))
    assert not any(np.isfinite(frame).any() for frame, gone in zip(found, lost, strict=True) if gone)


def test_lost_frames_are_invalid_in_a_store_however_they_come_there(tmp_path: Path) -> None:
    sensors = (*DEFAULT_SENSORS, "infra1", "depth")
    config = SimulatorConfig(
        frames=8, radar_empty=0.0, csi_infinite=0.0, dropout=dict.fromkeys(sensors, 0.5), dropout_seconds=0.3
    )
    source = SimulatedSource(subjects=("S01",), actions=("A02",), config=config, sensors=sensors)
    store = prepare("simulated", source, tmp_path / "store")
    lost = {s: silent_frames(config, s, "E01", "S01", "A02", 8) for s in sensors}
    assert sum(mask.sum() for mask in lost.values()) > 10
    for sensor in sensors:
        assert np.array_equal(store.index[f"valid_{sensor}"].to_numpy(), ~lost[sensor]), sensor
    assert store.index["valid_pose"].all()

    write_mmfi_tree(tmp_path / "tree", subjects=["S01"], actions=["A02"], config=config)
    read = summarize(prepare("mmfi", tmp_path / "tree", tmp_path / "read"))
    assert {s: read.invalid[s] for s in DEFAULT_SENSORS} == {s: lost[s].sum() for s in DEFAULT_SENSORS}
