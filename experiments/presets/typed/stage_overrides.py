"""Settings as typed for `--work unihpe`, whose runs are made stage by stage."""

from __future__ import annotations

from dataclasses import replace

from equipose.balancing.objectives.align import Align
from equipose.experiments.presets.typed.overrides import with_overrides
from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.unihpe.stages import UnihpeConfig


def with_stage_overrides(config: UnihpeConfig, overrides: tuple[str, ...]) -> UnihpeConfig:
    """The job with fields of model and objective set from text, in every variant.

    Raises ValueError for an unfit one (see `with_overrides`), and for one that the stages would not keep.
    """
    for text in overrides:
        _check_kept(text)
    variants = []
    for variant in config.variants:
        changed = with_overrides(config.runs(variant, config.seeds[0])[-1].config, overrides)
        model, objective = changed.model, changed.objective
        assert isinstance(model, AlignedConfig)
        assert isinstance(objective, Align.Config)
        variants.append(replace(variant, model=model, objective=objective))
    return replace(config, variants=tuple(variants))


def _check_kept(text: str) -> None:
    path = text.partition("=")[0]
    if path in ("objective.tau", "objective.tau_low"):
        why = "each stage has a temperature of its own; leave it out"
    elif not path.startswith(("model.", "objective.")):
        why = "stages have their own batches and optimisers; set model.*, objective.* or --epochs"
    else:
        return
    raise ValueError(f"override {text} has no effect with --work unihpe: {why}")
