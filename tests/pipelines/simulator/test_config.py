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
