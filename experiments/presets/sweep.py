"""The sweep that a job's options describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equipose.experiments.presets.sizes import PRESETS

if TYPE_CHECKING:
    from equipose.orchestrator.sweep.config import SweepConfig


def sweep_config(name: str, options: dict[str, Any], store: str) -> SweepConfig:
    """The sweep that a job's options describe, on a prepared store, sized for this machine or cluster.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.experiments.presets.overrides import with_overrides
    from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
    from equipose.orchestrator.sweep.config import SweepConfig

    preset = PRESETS[options["preset"]].shortened(options["epochs"], options["trials"])
    base = preset.train_config(
        store,
        options["protocol"],
        options["split"],
        options["seed"],
        real=options["data"] != "simulated",
    )
    base = with_overrides(base, options["override"])
    concurrency, resources = concurrent_runs_of(
        base, options["workers"], gpu=options["gpu"], limit=preset.trials
    )
    return SweepConfig(
        name=name,
        base=base,
        awc=preset.awc,
        paper_window=preset.paper_window,
        space=preset.space(),
        trials=preset.trials,
        seed=options["seed"],
        grace_epochs=preset.grace_epochs,
        resources=resources,
        concurrency=concurrency,
    )
