"""Exactly the readings that the truth lists are changed, in every sensor and by every kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.simulator import PROVENANCE, Contamination, SimulatorConfig, simulate_sequence
from equipose.pipelines.simulator.contamination import KINDS, OF_SENSORS, RUN, SENSORS, planned
from equipose.pipelines.simulator.recording import record

DEFECTIVE = SimulatorConfig(frames=20, radar_empty=0.2, dropout=dict.fromkeys(DEFAULT_SENSORS, 0.2))
CASES = [(kind, sensor) for kind in OF_SENSORS for sensor in SENSORS]


def frames_of(sensor: str) -> int:
    return 6 if sensor == "depth" else 20


def settings(sensor: str) -> SimulatorConfig:
    return SimulatorConfig(frames=6) if sensor == "depth" else DEFECTIVE


@pytest.fixture(scope="module")
def clean() -> dict[str, Any]:
    return {sensor: record("S02", "A12", settings(sensor), (sensor,)) for sensor in SENSORS}


def changed(before: list[np.ndarray], after: list[np.ndarray]) -> list[int]:
    """Rows whose frames differ in any bit."""
    assert len(before) == len(after)
    pairs = enumerate(zip(before, after, strict=True))
    return [
        row for row, (a, b) in pairs if (a.shape, a.dtype, a.tobytes()) != (b.shape, b.dtype, b.tobytes())
    ]


@pytest.mark.parametrize(("kind", "sensor"), CASES)
def test_exactly_the_listed_readings_differ(kind: str, sensor: str, clean: dict[str, Any]) -> None:
    usual = clean[sensor]
    spoilt = record(
        "S02", "A12", settings(sensor), (sensor,), Contamination(rate=0.6, kinds=(kind,), sensors=(sensor,))
    )
    listed = [entry.number - 1 for entry in spoilt.altered or ()]
    assert changed(usual.readings[sensor], spoilt.readings[sensor]) == listed
    assert {(entry.sensor, entry.kind) for entry in spoilt.altered or ()} == {(sensor, kind)}
    assert 1 <= len(listed) <= 0.6 * frames_of(sensor) + 1
    if sensor == "wifi":
        moved = changed(usual.readings["wifi_phase"], spoilt.readings["wifi_phase"])
        assert moved == ([] if kind in ("gauss", "burst") else listed)
    assert np.array_equal(usual.pose, spoilt.pose)


@pytest.mark.parametrize("kind", KINDS)
def test_no_mark_of_validity_tells_of_contamination(kind: str) -> None:
    usual = assemble(simulate_sequence("S02", "A12", DEFECTIVE))
    spoilt = assemble(
        simulate_sequence("S02", "A12", DEFECTIVE, contamination=Contamination(rate=0.9, kinds=(kind,)))
    )
    for name, valid in usual.valid.items():
        assert np.array_equal(valid, spoilt.valid[name]), name
    assert not all(valid.all() for valid in usual.valid.values())
    assert usual.defects == spoilt.defects


def test_a_label_is_another_recordings_pose_and_the_sensors_stay(clean: dict[str, Any]) -> None:
    usual = clean["rgb"]
    contamination = Contamination(rate=0.3, kinds=("label",), sensors=("rgb",))
    spoilt = record("S02", "A12", DEFECTIVE, ("rgb",), contamination)
    listed = [entry.number - 1 for entry in spoilt.altered or ()]
    assert changed(list(usual.pose), list(spoilt.pose)) == listed
    assert {(entry.sensor, entry.kind) for entry in spoilt.altered or ()} == {("pose", "label")}
    assert not changed(usual.readings["rgb"], spoilt.readings["rgb"])
    assert len(listed) in (6, 7)


def test_kinds_mixed_over_sensors_are_deterministic_and_listed() -> None:
    contamination = Contamination(rate=0.5, kinds=tuple(KINDS))
    config = SimulatorConfig(frames=60)
    usual = simulate_sequence("S02", "A12", config)
    spoilt = simulate_sequence("S02", "A12", config, contamination=contamination)
    again = simulate_sequence("S02", "A12", config, contamination=contamination)
    assert spoilt.altered == again.altered
    for name, frames in usual.frames.items():
        listed = [entry.number - 1 for entry in spoilt.altered or () if entry.sensor == name]
        assert changed(frames, spoilt.frames[name]) == listed  # type: ignore[arg-type]
        assert not changed(again.frames[name], spoilt.frames[name])  # type: ignore[arg-type]
    rows = [entry.number for entry in spoilt.altered or ()]
    assert len(set(rows)) == len(rows) > 20  # one sensor of a frame, never two
    assert usual.altered is None
    assert spoilt.provenance == dict.fromkeys(spoilt.frames, f"{PROVENANCE}.contaminated")


def spoilt_rgb(**how: Any) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Clean and spoilt key points [F, 17, 2] in the middle of the image, and what was changed."""
    config = SimulatorConfig(frames=60)
    contamination = Contamination(sensors=("rgb",), **how)
    usual = record("S02", "A12", config, ("rgb",))
    spoilt = record("S02", "A12", config, ("rgb",), contamination)
    return np.stack(usual.readings["rgb"]), np.stack(spoilt.readings["rgb"]), list(spoilt.altered or ())


@pytest.mark.parametrize(("kind", "size"), [("gauss", 25.0), ("burst", 60.0)])
def test_noise_has_its_strength(kind: str, size: float) -> None:
    usual, spoilt, altered = spoilt_rgb(rate=1.0, kinds=(kind,))
    assert {entry.strength for entry in altered} == {size}
    assert np.std(spoilt - usual) == pytest.approx(size, rel=0.06)
    usual, spoilt, altered = spoilt_rgb(rate=1.0, kinds=(kind,), **{kind: {"rgb": 5.0}})
    assert {entry.strength for entry in altered} == {5.0}
    assert np.std(spoilt - usual) == pytest.approx(5.0, rel=0.06)


def test_an_offset_is_the_same_throughout_a_recording() -> None:
    usual, spoilt, altered = spoilt_rgb(rate=0.5, kinds=("offset",))
    rows = [entry.number - 1 for entry in altered]
    moved = (spoilt - usual)[rows]
    assert np.allclose(moved, moved[0, 0])
    assert np.allclose(np.abs(moved[0, 0]), [40.0, 25.0])


def test_a_stuck_sensor_repeats_its_last_reading_to_the_bit() -> None:
    _, spoilt, altered = spoilt_rgb(rate=0.4, kinds=("frozen", "gauss"))
    stuck = [entry for entry in altered if entry.kind == "frozen"]
    assert len(stuck) > 5
    for entry in stuck:
        row = entry.number - 1
        assert np.array_equal(spoilt[row], spoilt[row - int(entry.strength)])
        assert np.array_equal(spoilt[row], spoilt[row - 1])


def test_a_wrong_clock_gives_readings_of_other_instants() -> None:
    usual, spoilt, altered = spoilt_rgb(rate=0.5, kinds=("clock",), clock=7)
    assert {abs(entry.strength) for entry in altered} == {7.0}
    for entry in altered:
        row = entry.number - 1
        assert np.array_equal(spoilt[row], usual[row + int(entry.strength)])


def test_missing_readings_are_zeros_that_pass_for_readings() -> None:
    config = SimulatorConfig(frames=4)
    for sensor, ones in (("rgb", 0), ("lidar", 0), ("mmwave", 0), ("wifi", 1), ("depth", 1)):
        contamination = Contamination(rate=1.0, kinds=("missing",), sensors=(sensor,))
        made = record("S02", "A12", config, (sensor,), contamination)
        assert [float(frame.sum()) for frame in made.readings[sensor]] == [ones] * 4, sensor


def test_whole_recordings_are_hit_by_one_kind_in_one_sensor() -> None:
    contamination = Contamination(rate=0.4, per_recording=True)
    plans = [planned(contamination, 30, np.random.default_rng(n)) for n in range(400)]
    hit = [plan[0] for plan in plans if plan]
    assert len(hit) / 400 == pytest.approx(0.4, abs=0.07)
    assert all((episode.start, episode.stop) == (0, 30) for episode in hit)
    assert min(Counter(e.sensor for e in hit).values()) > 20
    assert set(Counter(e.kind for e in hit)) == set(OF_SENSORS)


def test_plans_have_their_share_of_frames_and_equal_shares_of_kinds() -> None:
    contamination = Contamination(rate=0.2)
    frames: Counter[str] = Counter()
    for number in range(100):
        plan = planned(contamination, 100, np.random.default_rng(number))
        taken = [row for episode in plan for row in range(episode.start, episode.stop)]
        assert len(taken) == len(set(taken)) == 20
        assert all(
            e.stop - e.start <= (RUN[1] if e.kind in ("burst", "frozen", "clock") else 1) for e in plan
        )
        for episode in plan:
            frames[episode.kind] += episode.stop - episode.start
    shares = np.array([frames[kind] for kind in OF_SENSORS]) / 2000
    assert np.abs(shares - 1 / len(OF_SENSORS)).max() < 0.05


def test_people_who_are_not_named_stay_clean() -> None:
    contamination = Contamination(rate=1.0, kinds=("gauss",), sensors=("rgb",), subjects=("S03",))
    config = SimulatorConfig(frames=5)
    usual, spared = (record("S02", "A12", config, ("rgb",), c) for c in (None, contamination))
    assert spared.altered == ()
    assert not changed(usual.readings["rgb"], spared.readings["rgb"])
    assert len(record("S03", "A12", config, ("rgb",), contamination).altered or ()) == 5


@pytest.mark.parametrize(
    ("field", "how"),
    [
        ("rate", {"rate": 1.5}),
        ("rate", {"rate": float("nan")}),
        ("kinds", {"kinds": ("fog",)}),
        ("kinds", {"kinds": ()}),
        ("kinds", {"kinds": ("swap", "swap")}),
        ("sensors", {"sensors": ("sonar",)}),
        ("sensors", {"sensors": ()}),
        ("subjects", {"subjects": ("S41",)}),
        ("gauss", {"gauss": {"sonar": 1.0}}),
        ("gauss.rgb", {"gauss": {"rgb": -1.0}}),
        ("burst.lidar", {"burst": {"lidar": 30.0}}),
        ("offset.wifi", {"offset": {"wifi": 0.0}}),
        ("clock", {"clock": 0}),
    ],
)
def test_bad_values_name_field_value_and_remedy(field: str, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: .* is not allowed; (use|known|name) "):
        Contamination(**{"rate": 0.2, **how})


def test_a_sensor_that_is_not_recorded_cannot_be_hit() -> None:
    with pytest.raises(ValueError, match=r"sensors to contaminate: \['lidar', 'mmwave', 'wifi'\]"):
        simulate_sequence("S02", "A12", DEFECTIVE, ("rgb",), Contamination(rate=0.2))
