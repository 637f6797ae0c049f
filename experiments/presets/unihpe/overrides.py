"""Settings as typed for `--work unihpe`, whose runs are made stage by stage."""

from __future__ import annotations

from dataclasses import replace

from equipose.experiments.presets.typed.overrides import with_overrides
from equipose.experiments.presets.unihpe.baselines import with_changes
from equipose.orchestrator.unihpe.stages import UnihpeConfig

FLIP = "data.batch.flip"


def with_stage_overrides(config: UnihpeConfig, overrides: tuple[str, ...]) -> UnihpeConfig:
    """The job with fields of model, objective and `compute`, and the share of mirrored rows, set from text.

    Raises ValueError for an unfit one (see `with_overrides`), and for one that the stages would not keep.
    """
    for text in overrides:
        _check_kept(text)
    variants, flip, compute = [], 0.0, config.compute
    for variant in config.variants:
        changed = with_overrides(config.runs(variant, config.seeds[0])[-1].config, overrides)
        flip, compute = changed.data.batch.flip, changed.compute
        variants.append(with_changes(variant, changed))
    data = replace(config.data, batch=replace(config.data.batch, flip=flip))
    return replace(config, data=data, variants=tuple(variants), compute=compute)


def _check_kept(text: str) -> None:
    path = text.partition("=")[0]
    if path in ("objective.tau", "objective.tau_low"):
        why = "each stage has a temperature of its own; leave it out"
    elif path != FLIP and not path.startswith(("model.", "objective.", "compute.")):
        why = (
            "stages have their own batches and optimisers; set model.*, objective.*, compute.*, "
            f"{FLIP} or --epochs"
        )
    else:
        return
    raise ValueError(f"override {text} has no effect with --work unihpe: {why}")
