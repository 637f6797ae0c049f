"""`equipose continual`, `experiments/continual_streams.py`: learn task after task, measure what is kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, ContinualPresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.continual import ContinualOptions
    from equipose.experiments.presets.sources import DataSource
    from equipose.orchestrator.training.config import TrainConfig

BY = {"simulated": "environment", "mmfi": "environment", "mars": "subject"}
"""Kind of data -> what its tasks differ by, where nothing is said."""


def continual(
    data: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    preset: ContinualPresetName = "quick",
    strategies: tuple[str, ...] = (),
    by: str | None = None,
    tasks: tuple[str, ...] = (),
    protocol: str | None = None,
    seeds: int | None = None,
    orders: int | None = None,
    epochs: int | None = None,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Learn tasks one after the other with every strategy, test each task after each, and compare.

    Args:
        data: Where the frames come from; by default the simulator, with rooms that differ.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        preset: `smoke`; `quick` (four simulated rooms, three seeds); `paper` (MM-Fi's size, three orders).
        strategies: Instead of the preset's: `finetune` (always included), `joint`, `cumulative`, `alone`,
            continual and balancing methods, several joined by `+` such as `nis+awc+ewc`; `noisy` before a
            name learns from contaminated data (simulated data only).
        by: What tasks differ by: `environment`, `subject` or `action`.
        tasks: Such as `E01 E02`; `E01+E02` is learnt at once. By default all that the data has.
        protocol: Of P1, P2, P3 (MARS: `MARS`).
        seeds: How many, counted from 0; with `--resume` the number to extend the newest job to.
        orders: How many orders of the tasks; the first is the given one.
        epochs: Of every task, instead of the preset's number; schedules keep their share.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of the models, e.g. `rgb lidar`; by default those of the AWC paper that the data has.
        override: Any other setting of every run, e.g. `optimizer.lr=3e-4 model.norm=batch`.
        resume: Resume the newest unfinished job of this data and preset in `out`, with its own options.
        quiet: Print only the table.
    """
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.continual import CONTINUALS, NOISY, ContinualOptions
    from equipose.experiments.presets.sources import chosen_source

    sizes = CONTINUALS[preset]
    source = chosen_source(data, data_root, store, sensors)
    by = by or BY.get(source.kind, "environment")
    of_preset = tuple(
        name for name in sizes.strategies if source.kind == "simulated" or not name.startswith(NOISY)
    )
    options = ContinualOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        strategies=tuple(dict.fromkeys(("finetune", *(strategies or of_preset)))),
        by=by,
        tasks=tasks or default_tasks(source, by, sizes.sizes.simulated.subjects),
        protocol=protocol or source.default_split()[0],
        seeds=sizes.seeds if seeds is None else seeds,
        orders=sizes.orders if orders is None else orders,
        epochs=sizes.sizes.epochs if epochs is None else epochs,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
    )
    start_job(
        options, out.resolve(), check=check, run=partial(run_job, quiet=quiet), resume=resume, extent=seeds
    )


def default_tasks(source: DataSource, by: str, simulated: tuple[str, ...]) -> tuple[str, ...]:
    """All values that the data has of what tasks differ by."""
    from equipose.experiments.presets.continual import CONTINUALS
    from equipose.pipelines.simulator.config import environment_of
    from equipose.pipelines.store import open_store

    if source.store:
        return tuple(open_store(source.store).index[by].unique().sort().to_list())
    if source.kind == "simulated":
        found = {
            "environment": {environment_of(subject) for subject in simulated},
            "subject": set(simulated),
            "action": set(CONTINUALS["quick"].sizes.simulated.actions),
        }
        return tuple(sorted(found.get(by, ())))
    return {"mmfi": ("E01", "E02", "E03", "E04"), "mars": ("S01", "S03")}.get(source.kind, ())


def check(options: ContinualOptions) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.continual import continual_config
    from equipose.experiments.presets.sources import check_source

    noisy = "" if options.contaminated else None
    config = continual_config("checked", options, store="", noisy_store=noisy)
    check_source(options.source, [(options.protocol, task.split) for task in config.tasks])
    return config.base


def run_job(name: str, options: ContinualOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, learn the streams that `options` describe, print and save the outcome."""
    from equipose.experiments.jobs.continual_summary import outcome_json, print_continual
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.presets.continual import continual_config
    from equipose.experiments.presets.sources import ensure_store
    from equipose.orchestrator.continual.job import run_continual_job
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        spoilt = options.contaminated
        noisy = ensure_store(options.source, out, spoilt) if spoilt else None
        config = continual_config(name, options, store, noisy)
        stop_at_absent_sensors(config.base)
        finished = run_continual_job(
            config,
            JobLocation(out=out, dataset=options.data),
            progress,
            gpu=options.gpu,
            command=options.resume_command(out).removesuffix(" --resume"),
        )
    finish_job(out, options.kind, name, outcome_json(finished))
    print_continual(finished, out)
