"""Presets size the model; windows become filter widths."""

from __future__ import annotations

import math

import pytest

from equipose.models.encoders import PRESETS, temporal_widths
from equipose.models.sensors import SENSORS


def test_every_preset_sizes_every_encoder() -> None:
    for sensor in SENSORS.values():
        for preset, sizes in PRESETS.items():
            encoder = sensor.encoder(preset).build(sizes.feature_dim if preset != "paper" else 8, "batch")
            assert sum(parameter.numel() for parameter in encoder.parameters()) > 0


@pytest.mark.parametrize("window", [1, 3, 9, 27, 81, 243])
def test_widths_multiply_to_the_window(window: int) -> None:
    assert math.prod(temporal_widths(window, 3)) == window


def test_published_widths() -> None:
    assert temporal_widths(27, 3) == (3, 3, 3)
    assert temporal_widths(1, 3) == (1, 1, 1)


@pytest.mark.parametrize("window", [0, -3, 2, 15, 30])
def test_other_windows_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match=f"window={window}"):
        temporal_widths(window, 3)
