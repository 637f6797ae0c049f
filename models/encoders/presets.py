"""Sizes of the whole model: `paper` as published, `small` for minutes on two cores, `tiny` for unit tests.

The encoders' own sizes stand with the sensors (`equipose.models.sensors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What does not belong to any one sensor."""

    feature_dim: int
    """D."""
    hidden: int
    """Width of the MLP fusion."""
    layers: int
    """Transformer layers of the attention fusion."""


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tiny": Preset(feature_dim=16, hidden=16, layers=1),
        "small": Preset(feature_dim=64, hidden=128, layers=1),
        "paper": Preset(feature_dim=512, hidden=1024, layers=2),
    }
)
"""name -> sizes."""
