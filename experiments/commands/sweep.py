"""`equipose sweep`, `experiments/awc_sweep.py`: sweep AWC strength, critical-window length and fusion."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, PresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.sweep import SweepOptions
    from equipose.orchestrator.training.config import TrainConfig


def sweep(
    data: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    preset: PresetName = "quick",
    protocol: str | None = None,
    split: str | None = None,
    out: Path = DEFAULT_OUT,
    seed: int = 0,
    trials: int | None = None,
    epochs: int | None = None,
    workers: int = 1,
    gpu: bool = False,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    resume: bool = False,
    plan: bool = False,
    quiet: bool = False,
    log_model: bool = True,
    register: str | None = None,
) -> None:
    """Sweep AWC strength, critical window and fusion with Ray Tune and Optuna; log it to MLflow.

    Args:
        data: Where the frames come from; by default the simulator, which needs no download.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        preset: `smoke` (a minute or two), `quick` (minutes on two cores) or `paper` (the paper's settings).
        protocol: P1, P2 or P3 (MARS: `MARS`).
        split: S1, S2 or S3 (MARS: `time` or `subject`).
        out: Results folder; jobs may share it.
        seed: Of weights, batches and the search.
        trials: Instead of the preset's number; with `--resume` the number to extend the newest sweep to.
        epochs: Instead of the preset's number.
        workers: Ray Train workers per trial (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of every trial, e.g. `rgb lidar`; by default those of the AWC paper.
        override: Any other setting of every trial, e.g. `optimizer.lr=3e-4 data.batch.mmwave.frames=3`.
        resume: Resume the newest unfinished job of this data and preset in `out`, with its own options.
        plan: Print what would run and whether it fits, then stop.
        quiet: Print only the summary.
        log_model: Log the best trial's checkpoint to MLflow as a model, which `mlflow models serve` takes.
        register: Name under which that model also becomes a version in MLflow's registry.
    """
    from equipose.experiments.jobs.plan import plan_sweep
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.sources import chosen_source
    from equipose.experiments.presets.sweep import SweepOptions

    source = chosen_source(data, data_root, store, sensors)
    default = source.default_split()
    options = SweepOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        protocol=protocol or default[0],
        split=split or default[1],
        seed=seed,
        trials=trials,
        epochs=epochs,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
    )
    start_job(
        options,
        out.resolve(),
        check=check,
        run=partial(run_job, quiet=quiet, log_model=log_model, register=register),
        plan=plan_sweep if plan else None,
        resume=resume,
        extent=trials,
    )


def check(options: SweepOptions) -> TrainConfig:
    """The run that all trials vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.sources import check_source
    from equipose.experiments.presets.sweep import sweep_config

    check_source(options.source, [(options.protocol, options.split)])
    return sweep_config("checked", options, store="").base


def run_job(
    name: str,
    options: SweepOptions,
    out: Path,
    *,
    quiet: bool = False,
    log_model: bool = True,
    register: str | None = None,
) -> None:
    """Prepare the data, run the sweep that `options` describe, print and save its outcome."""
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.jobs.sweep_summary import print_summary
    from equipose.experiments.presets.sweep import sweep_config
    from equipose.orchestrator.failures import listed
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.logged_model.log import ModelLogging
    from equipose.orchestrator.sweep.job import run_sweep_job

    models = ModelLogging(log=log_model, register=register)
    progress = JobProgress(options.sizes.trials, mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        config = sweep_config(name, options, store)
        stop_at_absent_sensors(config.base)
        outcome = run_sweep_job(config, JobLocation(out=out, dataset=options.data), progress, models=models)
    left = config.trials - len(outcome.table.finished)
    finish_job(out, options.kind, name, outcome.to_json() | {"trials_left": left})
    print_summary(outcome, config, out)
    if left:
        why = listed(outcome.table.failures) or "see MLflow"
        print(f"{left} trials failed ({why}); fix the cause, then: {options.resume_command(out)}")
