"""Fusion: the features of M modalities become one vector, from which a linear head reads the pose.

Absent modalities are zero features, as in the AWC paper, or are left out. Its exact MLP and attention are not
public; ours are documented here and in `docs/models.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.models.fusion.attention import AttentionFusion
from equipose.models.fusion.base import Absent, Fusion, FusionOptions, linear_coalitions, linear_parts
from equipose.models.fusion.concat import ConcatFusion
from equipose.models.fusion.cross_attention import CrossAttentionFusion
from equipose.models.fusion.mlp import MLPFusion

__all__ = ["FUSIONS", "Absent", "Fusion", "FusionOptions", "linear_coalitions", "linear_parts"]

FUSIONS: Mapping[
    str, type[ConcatFusion] | type[MLPFusion] | type[AttentionFusion] | type[CrossAttentionFusion]
] = MappingProxyType(
    {
        "concat": ConcatFusion,
        "mlp": MLPFusion,
        "attention": AttentionFusion,
        "cross_attention": CrossAttentionFusion,
    }
)
"""name -> fusion, built as `Fusion(number of modalities, D, options)`."""
