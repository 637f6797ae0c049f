"""Presets cover every encoder; windows become filter widths."""

from __future__ import annotations

import math

import pytest

from equipose.models.encoders import ENCODERS, PRESETS, temporal_widths


def test_every_preset_sizes_every_encoder() -> None:
    for preset in PRESETS.values():
        assert set(preset.encoders) == set(ENCODERS)
        for modality, config in preset.encoders.items():
            assert isinstance(config, ENCODERS[modality].Config)


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
