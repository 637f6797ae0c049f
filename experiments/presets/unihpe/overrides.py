"""Settings as typed for `--work unihpe`, whose runs are made stage by stage."""

from __future__ import annotations

from dataclasses import replace

from equipose.experiments.presets.typed.overrides import with_overrides, with_settings
from equipose.experiments.presets.unihpe.baselines import with_changes
from equipose.orchestrator.unihpe.stages import BASELINE, STAGES, UnihpeConfig

FLIP, LATER = "data.batch.flip", "later."


def with_stage_overrides(config: UnihpeConfig, overrides: tuple[str, ...]) -> UnihpeConfig:
    """The job with fields of model, objective, `later`, `compute`, and the share of mirrored rows, from text.

    Raises ValueError for an unfit one (see `with_overrides`), and for one that the stages would not keep.
    """
    for text in overrides:
        _check_kept(text)
    later = [text.removeprefix(LATER) for text in overrides if text.startswith(LATER)]
    if later and not any(set(variant.stages) - {STAGES[0], BASELINE} for variant in config.variants):
        raise ValueError(f"override {LATER}{later[0]} has no effect: {config.methods} have no later stage")
    others = [text for text in overrides if not text.startswith(LATER)]
    variants, flip, compute = [], 0.0, config.compute
    for variant in config.variants:
        variant = replace(variant, later=with_settings(variant.later, "later", later))
        changed = with_overrides(config.runs(variant, config.seeds[0])[-1].config, others)
        flip, compute = changed.data.batch.flip, changed.compute
        variants.append(with_changes(variant, changed))
    data = replace(config.data, batch=replace(config.data.batch, flip=flip))
    return replace(config, data=data, variants=tuple(variants), compute=compute)


def _check_kept(text: str) -> None:
    path = text.partition("=")[0]
    if path in ("objective.tau", "objective.tau_low"):
        why = "each stage has a temperature of its own; set later.tau, which moves that of all but the first"
    elif path != FLIP and not path.startswith(("model.", "objective.", "compute.", LATER)):
        why = (
            "stages have their own batches and optimisers; set model.*, objective.*, compute.*, later.tau, "
            f"later.lr_scale, {FLIP} or --epochs"
        )
    else:
        return
    raise ValueError(f"override {text} has no effect with --work unihpe: {why}")
