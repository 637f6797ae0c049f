"""Settings are checked when constructed, with errors that name field and value."""

from __future__ import annotations

import dataclasses

import pytest

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.simulator import SimulatorConfig, environment_of


def test_missing_multipliers_are_one() -> None:
    config = SimulatorConfig(noise={"rgb": 2})
    assert config.noise == {"rgb": 2.0, "lidar": 1.0, "mmwave": 1.0, "wifi": 1.0}
    assert set(config.informativeness) == set(DEFAULT_SENSORS)
    assert SimulatorConfig(noise={"rgb": 2, "depth": 0.5}).noise == config.noise | {"depth": 0.5}
    assert dataclasses.replace(config, seed=3).noise == config.noise


def test_missing_spreads_biases_and_dropouts_are_zero() -> None:
    config = SimulatorConfig(dropout={"wifi": 0.1}, keypoint_bias_room={"infra2": 2})
    assert config.dropout == {"rgb": 0.0, "lidar": 0.0, "mmwave": 0.0, "wifi": 0.1}
    assert config.noise_room_spread == config.noise_subject_spread == dict.fromkeys(DEFAULT_SENSORS, 0.0)
    assert config.keypoint_bias_room == {"rgb": 0.0, "infra2": 2.0}
    assert config.keypoint_bias_subject == {"rgb": 0.0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frames", 0),
        ("rate_hz", 0.0),
        ("lidar_points", 3),
        ("radar_clutter", -1.0),
        ("radar_ghosts", 1.5),
        ("radar_empty", -0.1),
        ("csi_infinite", 2.0),
        ("noise", {"rgb": -1.0}),
        ("noise", {"sonar": 1.0}),
        ("informativeness", {"wifi": 1.2}),
        ("informativeness", {"wifi": float("nan")}),
        ("noise_room_spread", {"wifi": -0.1}),
        ("noise_room_spread", {"sonar": 0.1}),
        ("noise_subject_spread", {"rgb": 4.0}),
        ("noise_subject_spread", {"rgb": float("nan")}),
        ("keypoint_bias_room", {"rgb": -1.0}),
        ("keypoint_bias_room", {"lidar": 1.0}),
        ("keypoint_bias_subject", {"rgb": float("inf")}),
        ("keypoint_bias_subject", {"depth": 1.0}),
        ("dropout", {"mmwave": 1.5}),
        ("dropout", {"sonar": 0.5}),
        ("dropout_seconds", 0.0),
    ],
)
def test_bad_values_name_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        SimulatorConfig(**{field: value})  # type: ignore[arg-type]


def test_environments_hold_ten_subjects_each() -> None:
    named = {s: environment_of(s) for s in ("S01", "S10", "S11", "S31", "S40")}
    assert named == {"S01": "E01", "S10": "E01", "S11": "E02", "S31": "E04", "S40": "E04"}
    with pytest.raises(ValueError, match="S00"):
        environment_of("S00")
