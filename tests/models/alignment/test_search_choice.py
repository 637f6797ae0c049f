"""A choice lists what a search tries, the setting that a config has among it."""

from __future__ import annotations

from dataclasses import fields

from equipose.models.alignment.config import AlignedConfig
from equipose.models.alignment.search_choice import SEARCH, SearchChoice


def test_values_stand_as_they_are() -> None:
    scale = SearchChoice(("layer", "batch"))
    assert scale.of(AlignedConfig(norm="batch"), "norm") == (("layer", "batch"), "batch")
    assert SearchChoice(("layer",)).of(AlignedConfig(norm="batch"), "norm") == (("batch", "layer"), "batch")


def test_the_width_is_halved_and_doubled() -> None:
    [scale] = [f.metadata[SEARCH] for f in fields(AlignedConfig) if SEARCH in f.metadata]
    assert scale.of(AlignedConfig(preset="small"), "width") == ((64, 128, 256), 128)
    assert scale.of(AlignedConfig(preset="small", width=20), "width") == ((10, 20, 40), 20)
