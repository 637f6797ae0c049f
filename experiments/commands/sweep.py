"""`equipose sweep`, `experiments/awc_sweep.py`: sweep AWC, the dials of strategies, or an alignment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipose.experiments.presets.names import DEFAULT_OUT, AlignObjective, PresetName, WorkName
from equipose.experiments.presets.typed.works import refuse_idle, taken_by

if TYPE_CHECKING:
    from equipose.experiments.presets.sources import DataSource
    from equipose.experiments.presets.sweep import SweepOptions
    from equipose.orchestrator.training.config import TrainConfig


COMMON = ("seed", "trials", "epochs", "workers", "gpu", "protocol", "override")
"""Options of AWC's sweep and of streams."""


def sweep(
    work: WorkName = "awc",
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
    strategies: tuple[str, ...] = (),
    by: str | None = None,
    tasks: tuple[str, ...] = (),
    memory: bool = False,
    objective: AlignObjective = "pose",
    dials: tuple[str, ...] = (),
    seeds: int | None = None,
    resume: bool = False,
    plan: bool = False,
    quiet: bool = False,
    log_model: bool = True,
    register: str | None = None,
) -> None:
    """Sweep AWC, strategies that learn tasks, or UniHPE's alignment, with Ray Tune and Optuna; log to MLflow.

    Args:
        work: `awc` searches AWC's strength, critical window and fusion. `continual` searches the dials of
            strategies (strength, warm-up, noise threshold): a trial is a whole stream of tasks, judged by the
            error on the validation parts of all of them, and every strategy has equally many. `unihpe`
            searches the alignment of pictures, key points and skeletons; the best setting and the default
            one are then tested with seeds that no trial had.
        data: Where the frames come from; by default the simulator, which needs no download.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        preset: `smoke` (a minute or two), `quick` (minutes on two cores) or `paper` (the paper's settings).
        protocol: P1, P2 or P3 (MARS: `MARS`).
        split: S1, S2 or S3 (MARS: `time` or `subject`); of tasks it is made from `--by` and `--tasks`.
        out: Results folder; jobs may share it.
        seed: Of weights, batches and the search; for streams and alignments, weights and batches of trials
            take one 1000 higher. The first seed of an alignment's test.
        trials: Instead of the preset's number; with `--resume` the number to extend the newest sweep to. For
            streams the number per strategy.
        epochs: Instead of the preset's number; for streams that of every task, for alignments of every stage.
        workers: Ray Train workers per trial (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of every trial, e.g. `rgb lidar`; by default those of the AWC paper.
        override: Any other setting of every trial, e.g. `optimizer.lr=3e-4 data.batch.mmwave.frames=3`.
        strategies: Of streams, instead of the preset's, such as `ewc nis+replay`; see `equipose continual`.
        by: What tasks differ by: `environment`, `subject` or `action`.
        tasks: Such as `E01 E02`; by default all that the data has.
        memory: Also search how many rows a memory keeps; more is better and costs more.
        objective: Of an alignment, the validation error of the pose from the picture alone: `pose`, decoded
            after all three stages, is what the model is used for; `retrieval` trains no decoders and
            retrieves it, which costs less and sees nothing but the alignment.
        dials: Of an alignment, instead of all that there are: `higher` (the kind of loss), `alpha` (its
            weight), `width` (of the space), `tau` (temperature), `lr_scale` (of the learning rate).
        seeds: Of the best and of the default setting of an alignment on the test part, instead of the
            preset's number.
        resume: Resume the newest unfinished job of this data and preset in `out`, with its own options.
        plan: Print what would run and whether it fits, then stop.
        quiet: Print only the summary.
        log_model: Log the best trial's checkpoint to MLflow as a model, which `mlflow models serve` takes.
        register: Name under which that model also becomes a version in MLflow's registry.
    """
    given = dict(locals())
    refuse_idle(sweep, given)
    given["out"] = out.resolve()
    if work == "unihpe":
        from equipose.experiments.commands.unihpe.sweep import sweep_alignment

        sweep_alignment(**taken_by(sweep_alignment, given))
        return
    from equipose.experiments.presets.sources import chosen_source

    source = chosen_source(data, data_root, store, sensors)
    run = {name: given[name] for name in ("out", "resume", "plan", "trials")}
    common = {name: given[name] for name in COMMON}
    if work == "continual":
        streams = {name: given[name] for name in ("strategies", "by", "tasks", "memory")}
        _start_streams(source, preset, common | streams, quiet=quiet, **run)
        return
    train = partial(run_job, quiet=quiet, log_model=log_model, register=register)
    _start_awc(source, preset, common | {"split": split}, train, **run)


def _start_awc(
    source: DataSource,
    preset: PresetName,
    given: dict[str, Any],
    train: Callable[[str, SweepOptions, Path], None],
    *,
    out: Path,
    resume: bool,
    plan: bool,
    trials: int | None,
) -> None:
    """Start or resume a sweep of AWC, or print its plan; `train` runs it."""
    from equipose.experiments.jobs.plan import plan_sweep
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.sweep import SweepOptions

    protocol, split = source.default_split()
    given = {**given, "protocol": given["protocol"] or protocol, "split": given["split"] or split}
    options = SweepOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        sensors=source.model_sensors(),
        **given,
    )
    start_job(
        options,
        out,
        check=check,
        run=train,
        plan=plan_sweep if plan else None,
        resume=resume,
        extent=trials,
    )


def _start_streams(
    source: DataSource,
    preset: PresetName,
    given: dict[str, Any],
    *,
    out: Path,
    resume: bool,
    plan: bool,
    quiet: bool,
    trials: int | None,
) -> None:
    """Start or resume a sweep of streams, or print its plan."""
    from equipose.experiments.commands import stream_sweep
    from equipose.experiments.jobs.plan import plan_streams
    from equipose.experiments.jobs.start import start_job

    start_job(
        stream_sweep.stream_options(source, preset, **given),
        out,
        check=stream_sweep.check,
        run=partial(stream_sweep.run_job, quiet=quiet),
        plan=plan_streams if plan else None,
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
