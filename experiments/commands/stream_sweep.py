"""`equipose sweep --work continual`: search the dials of strategies that learn task after task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equipose.experiments.presets.names import ContinualPresetName
    from equipose.experiments.presets.sources import DataSource
    from equipose.experiments.presets.stream_sweep import StreamSweepOptions
    from equipose.orchestrator.training.config import TrainConfig


def stream_options(
    source: DataSource,
    preset: ContinualPresetName,
    *,
    strategies: tuple[str, ...],
    by: str | None,
    tasks: tuple[str, ...],
    protocol: str | None,
    seed: int,
    trials: int | None,
    epochs: int | None,
    memory: bool,
    workers: int,
    gpu: bool,
    override: tuple[str, ...],
) -> StreamSweepOptions:
    """The options with everything filled in that was left out."""
    from equipose.experiments.commands.continual import BY, default_tasks, may_be_noisy
    from equipose.experiments.presets.continual import CONTINUALS
    from equipose.experiments.presets.stream_sweep import (
        STREAM_SWEEPS,
        StreamSweepOptions,
        default_epochs,
        default_strategies,
    )

    by = by or BY.get(source.kind, "environment")
    protocol = protocol or source.default_split()[0]
    names = strategies or default_strategies(preset, may_be_noisy(source, by))
    return StreamSweepOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        strategies=tuple(dict.fromkeys(("finetune", *names))),
        by=by,
        tasks=tasks or default_tasks(source, by, protocol, CONTINUALS[preset].sizes.simulated),
        protocol=protocol,
        epochs=default_epochs(preset) if epochs is None else epochs,
        seed=seed,
        trials=STREAM_SWEEPS[preset].trials if trials is None else trials,
        memory=memory,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
    )


def check(options: StreamSweepOptions) -> TrainConfig:
    """The run that all trials vary. Raises ValueError for options that would not work."""
    from equipose.experiments.commands.continual import check as check_streams
    from equipose.experiments.presets.stream_sweep import stream_sweep_config

    stream_sweep_config("checked", options, "", "" if options.contaminated else None)
    return check_streams(options)


def run_job(name: str, options: StreamSweepOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, run the sweep that `options` describe, print and save its outcome."""
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.jobs.stream_sweep_summary import print_streams
    from equipose.experiments.presets.sources import ensure_store
    from equipose.experiments.presets.stream_sweep import stream_sweep_config
    from equipose.orchestrator.failures import listed
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.stream_sweep.config import OBJECTIVE
    from equipose.orchestrator.stream_sweep.job import run_stream_sweep_job

    progress = JobProgress(objective=OBJECTIVE, noun="streams", alike="runs", mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        spoilt = options.contaminated
        config = stream_sweep_config(
            name, options, store, ensure_store(options.source, out, spoilt) if spoilt else None
        )
        progress.trials = config.total
        stop_at_absent_sensors(config.job.base)
        outcome = run_stream_sweep_job(config, JobLocation(out=out, dataset=options.data), progress)
    failed = outcome.trials.filter(outcome.trials["state"] == "failed")
    left = config.total - (len(outcome.trials) - len(failed))
    finish_job(out, options.kind, name, outcome.to_json() | {"trials_left": left})
    print_streams(outcome, out)
    if left > 0:
        why = listed(dict(outcome.failures)) or "see MLflow"
        print(f"{left} streams failed ({why}); fix the cause, then: {options.resume_command(out)}")
