"""`equipose continual`, `experiments/continual_streams.py`: learn task after task, measure what is kept."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, ContinualPresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.continual import ContinualOptions
    from equipose.experiments.presets.sizes import SimulatedSelection
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
    protocol = protocol or source.default_split()[0]
    chosen = tasks or default_tasks(source, by, protocol, sizes.sizes.simulated)
    of_preset = tuple(
        name for name in sizes.strategies if not name.startswith(NOISY) or may_be_noisy(source, by)
    )
    options = ContinualOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        strategies=tuple(dict.fromkeys(("finetune", *(strategies or of_preset)))),
        by=by,
        tasks=chosen,
        protocol=protocol,
        seeds=sizes.seeds if seeds is None else seeds,
        orders=min(sizes.orders, math.factorial(len(chosen))) if orders is None else orders,
        epochs=sizes.sizes.epochs if epochs is None else epochs,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
    )
    start_job(
        options, out.resolve(), check=check, run=partial(run_job, quiet=quiet), resume=resume, extent=seeds
    )


def may_be_noisy(source: DataSource, by: str) -> bool:
    """Whether there is a contaminated copy of the data with clean people to test."""
    return source.kind == "simulated" and source.store is None and by != "subject"


def default_tasks(
    source: DataSource, by: str, protocol: str, simulated: SimulatedSelection
) -> tuple[str, ...]:
    """All values that the data has of what tasks differ by; ValueError where raw data does not say."""
    from equipose.pipelines.protocols import PROTOCOLS
    from equipose.pipelines.protocols.mmfi import SUBJECTS, room_of
    from equipose.pipelines.protocols.tasks import require_kind
    from equipose.pipelines.store import open_store

    require_kind(by)
    if source.store:
        return tuple(open_store(source.store).index[by].unique().sort().to_list())
    if source.kind not in ("simulated", "mmfi"):
        known = {("mars", "subject"): ("S01", "S03")}
        if (source.kind, by) not in known:
            raise ValueError(f"name the tasks of {source.kind} data by {by}, such as --tasks A01 A02")
        return known[source.kind, by]
    people = simulated.subjects if source.kind == "simulated" else SUBJECTS
    actions = PROTOCOLS.get(protocol, ())
    shown = [a for a in actions if source.kind == "mmfi" or a in simulated.actions]
    found = {"environment": {room_of(subject) for subject in people}, "subject": people, "action": shown}
    return tuple(sorted(found[by]))


def check(options: ContinualOptions) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.continual import continual_config
    from equipose.experiments.presets.sources import check_source

    noisy = "" if options.contaminated else None
    config = continual_config("checked", options, store="", noisy_store=noisy)
    check_source(options.source, [(options.protocol, task.split) for task in config.tasks])
    if options.source.kind == "simulated" and options.store is None:
        check_simulated(options)
    return config.base


def check_simulated(options: ContinualOptions) -> None:
    """Raise ValueError for tasks that the simulated people, actions and recordings do not give."""
    from equipose.pipelines.protocols.carving import SHORTEST

    there = default_tasks(options.source, options.by, options.protocol, options.simulated)
    wanted = {value for task in options.tasks for value in task.split("+")}
    unknown = sorted(wanted - {*there})
    if unknown:
        raise ValueError(f"tasks {unknown} are not in the simulated data, which has {list(there)}")
    if options.by == "subject" and options.simulated.frames < SHORTEST:
        raise ValueError(
            f"tasks by subject divide recordings by time, which takes {SHORTEST} frames; preset "
            f"{options.preset} simulates {options.simulated.frames}: take another preset, or --store"
        )


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
