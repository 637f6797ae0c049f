"""`equipose tables`, `experiments/paper_tables.py`: rebuild the paper's tables and figures."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, PaperPresetName, TablesWorkName
from equipose.experiments.presets.typed.works import refuse_idle, taken_by

if TYPE_CHECKING:
    from equipose.experiments.presets.paper import TablesOptions
    from equipose.orchestrator.training.config import TrainConfig

DATA: dict[str, str] = {"smoke": "simulated", "quick": "simulated", "mars": "mars", "paper": "mmfi"}
"""Default data source of each preset."""


def tables(
    preset: PaperPresetName = "quick",
    work: TablesWorkName = "awc",
    data: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    wild: str | None = None,
    joined: str | None = None,
    tables: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    all_methods: bool = False,
    checks: bool = True,
    contrast_last: bool = True,
    plan: bool = False,
    mlflow_url: str | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Train what the paper's tables need and write them beside the published numbers, as one HTML report.

    Finished runs of any job are not repeated.

    Args:
        preset: `quick` (simulated; six people to train on, eight others to test), `mars` (real radar and
            motion), `paper` (the paper's settings).
        work: Whose tables: `awc`, or `unihpe`, which aligns images, 2D and 3D poses (simulated triplets,
            or `--store` with one of Human3.6M).
        data: Instead of the preset's source.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        wild: With `--work unihpe` and `--store`: a prepared store of 3DPW.
        joined: The same of Human3.6M and MPI-INF-3DHP in one store.
        tables: Only these of main, cost, modalities, alpha, window, profit.
        columns: Which of P1, P2, P3; not given, `quick` has P1 and the others have all. The ablations use the
            first. Leave out a protocol whose subjects or actions the data lack.
        seeds: How many in every table, counted from 0, instead of the preset's; with `--resume` to extend
            the newest job to.
        epochs: Instead of the preset's; schedules and windows keep their share.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of the models, e.g. `rgb lidar`, for `--tables modalities`; the other tables need all.
        override: Any other setting of every run or of one method, e.g. `optimizer.lr=3e-4 awc.ratio_s=0.5`.
        all_methods: Every method under every fusion; `quick` has three under MLP and attention fusion.
        checks: Also measure convergence and headroom; without, the verdicts are those of the tests alone.
        contrast_last: With `--work unihpe`: whether the row of pairs in table 6 keeps its contrastive loss in
            the last stage, which the paper does not say.
        plan: Print the runs, which of them are kept, and how long the others will take; then stop.
        mlflow_url: Target of the report's links; by default what `equipose ui OUT --port 5000` serves.
        resume: Resume the newest unfinished job of this preset in `out`, with its own options.
        quiet: Print only the outcome.
    """
    given = dict(locals())
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.paper import TablesOptions
    from equipose.experiments.presets.sources import chosen_source

    refuse_idle(globals()["tables"], given)
    if work == "unihpe":
        from equipose.experiments.commands.unihpe.tables import unihpe_tables

        unihpe_tables(**taken_by(unihpe_tables, given))
        return
    source = chosen_source(data, data_root, store, sensors, DATA[preset])
    options = TablesOptions(
        preset=preset,
        data=source.kind,
        data_root=source.root,
        store=source.store,
        tables=tables,
        columns=columns,
        seeds=seeds,
        epochs=epochs,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
        all_methods=all_methods,
        checks=checks,
        mlflow_url=mlflow_url,
    )
    start_job(
        options,
        out.resolve(),
        check=check,
        run=partial(run_job, quiet=quiet),
        plan=print_plan if plan else None,
        resume=resume,
        extent=seeds,
    )


def check(options: TablesOptions) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.paper import paper_config
    from equipose.experiments.presets.sources import check_source
    from equipose.orchestrator.paper.plan import check_data

    check_source(options.source)
    config = paper_config("checked", options, store=options.store or "")
    if options.store:
        check_data(config)
    return config.base


def print_plan(options: TablesOptions, out: Path) -> None:
    """Print what a job would train, and how long that takes here. Raises ValueError for bad options."""
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.presets.paper import paper_config
    from equipose.experiments.presets.sources import ensure_store
    from equipose.orchestrator.jobs.location import runs_folder
    from equipose.orchestrator.paper.estimate import estimate, plan_lines
    from equipose.orchestrator.paper.plan import check_data

    check(options)
    store = ensure_store(options.source, out, options.simulated)
    config = paper_config("plan", options, store)
    check_data(config)
    stop_at_absent_sensors(config.base)
    print("\n".join(plan_lines(config, estimate(config, runs_folder(out), gpu=options.gpu))))


def run_job(name: str, options: TablesOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, train what is missing, write the report, print its path."""
    from equipose.experiments.jobs.pages import UI_PORT, pages_address
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.presets.paper import paper_config
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.paper.job import run_paper_job
    from equipose.orchestrator.paper.plan import check_data

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        config = paper_config(name, options, store)
        check_data(config)
        stop_at_absent_sensors(config.base)
        outcome = run_paper_job(
            config,
            JobLocation(out=out, dataset=options.data),
            progress,
            links_to=pages_address(options.mlflow_url),
            command=options.command(Path("OUT")),
            gpu=options.gpu,
        )
    finish_job(out, options.kind, name, {"report": str(outcome.report.relative_to(out))})
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    print(f"report: {os.path.join(shown, outcome.report.relative_to(out))}")
    if not options.mlflow_url and not os.environ.get("MLFLOW_TRACKING_URI"):
        print(f"its links work while this runs: equipose ui {shown} --port {UI_PORT}")
