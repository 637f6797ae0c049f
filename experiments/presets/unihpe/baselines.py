"""The baselines among the variants of UniHPE, and how long each preset trains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

from equipose.balancing.objectives.align import Align
from equipose.balancing.objectives.baseline import Baseline
from equipose.experiments.presets.names import PresetName
from equipose.models.alignment.config import AlignedConfig
from equipose.models.baselines.config import Architecture, BaselineConfig
from equipose.orchestrator.training.config import OptimizerConfig, TrainConfig
from equipose.orchestrator.unihpe.stages import StageLength, Variant

QUICK_FIT = OptimizerConfig(lr=1e-3, gamma=0.95, step_epochs=1)
PAPER_FIT = OptimizerConfig(lr=1e-3, gamma=0.98, step_epochs=1)
"""All were published with Adam 1e-3 (VideoPose3D: its variant AMSGrad), each with a decay of its own."""
FITS: Mapping[PresetName, StageLength] = MappingProxyType(
    {
        "smoke": StageLength(epochs=2, batch_size=8, optimizer=QUICK_FIT),
        "quick": StageLength(epochs=30, batch_size=64, optimizer=QUICK_FIT),
        "paper": StageLength(epochs=200, batch_size=180, optimizer=PAPER_FIT),
    }
)
"""Epochs and batch are those of UniHPE's stages, not each baseline's own, so that all see the data alike."""


def baseline_variants(model: AlignedConfig) -> dict[str, Variant]:
    """Name -> variant, with the preset and the norm of an aligned model.

    Examples:
        >>> baseline_variants(AlignedConfig(preset="tiny"))["heatmaps"].stages
        ('baseline',)
    """
    return {
        name: Variant(
            name=name,
            model=BaselineConfig(
                architecture=name,
                preset=model.preset,
                norm=model.norm,
                image=model.image if name == "heatmaps" else None,
            ),
            objective=Baseline.Config(),
        )
        for name in get_args(Architecture)
    }


def with_changes(variant: Variant, changed: TrainConfig) -> Variant:
    """The variant with model and objective of a run of it that has been changed."""
    model, objective = changed.model, changed.objective
    assert isinstance(model, (AlignedConfig, BaselineConfig))
    assert isinstance(objective, (Align.Config, Baseline.Config))
    return replace(variant, model=model, objective=objective)
