"""Rebuild the paper's tables and figures: `equipose tables`, `experiments/paper_tables.py`."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipose.experiments.jobs.records import DEFAULT_OUT, finish_job, job_lock
from equipose.experiments.jobs.start import start_job
from equipose.experiments.presets.paper import PAPER_PRESETS, PaperPresetName, paper_config
from equipose.experiments.presets.sources import DataName, check_source, ensure_store

if TYPE_CHECKING:
    from equipose.orchestrator.training.config import TrainConfig

DATA: dict[str, DataName] = {"smoke": "simulated", "quick": "simulated", "mars": "mars", "paper": "mmfi"}
"""Where a preset's frames come from unless the command line says otherwise."""
UI_PORT = 5000


def tables(
    preset: PaperPresetName = "quick",
    data: DataName | None = None,
    data_root: Path | None = None,
    tables: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    override: tuple[str, ...] = (),
    plan: bool = False,
    mlflow_url: str | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Train what the paper's tables need and write them beside the published numbers, as one HTML report.

    Runs that have ended, in whichever job, are not repeated.

    Args:
        preset: `quick` (simulated, small), `mars` (real radar and motion), `paper` (the paper's settings).
        data: Instead of the preset's source.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        tables: Only these of main, cost, modalities, alpha, window, profit.
        columns: Only these of P1, P2, P3; the first is what the ablations use. Data that lack subjects or
            actions of a protocol can go without it.
        seeds: How many, counted from 0, instead of the preset's.
        epochs: Instead of the preset's; schedules and windows keep their share.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        override: Any other setting of every run or of one method, e.g. `optimizer.lr=3e-4 awc.alpha_s=15000`.
        plan: Print the runs, which are there already, and how long the others will take; then stop.
        mlflow_url: Where the report's links lead; by default what `equipose ui OUT --port 5000` serves.
        resume: Go on with the newest unfinished job of this preset in `out`, with its options.
        quiet: Print only the outcome.
    """
    data = data or DATA[preset]
    options = {
        "preset": preset,
        "data": data,
        "data_root": str(data_root.resolve()) if data_root else None,
        "tables": list(tables),
        "columns": list(columns),
        "seeds": seeds,
        "epochs": epochs,
        "workers": workers,
        "gpu": gpu,
        "override": list(override),
        "mlflow_url": mlflow_url,
    }
    start_job(
        "tables",
        f"tables-{data}-{preset}",
        options,
        out.resolve(),
        check=check,
        run=partial(run_job, quiet=quiet),
        go_on=resume_command,
        plan=print_plan if plan else None,
        resume=resume,
    )


def check(options: dict[str, Any]) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    check_source(options)
    return paper_config("checked", options, store="").base


def resume_command(options: dict[str, Any], out: Path) -> str:
    """What goes on with a job, to be copied."""
    return f"{command(options, out)} --resume"


def command(options: dict[str, Any], out: Path) -> str:
    """What runs or goes on with a job, to be copied."""
    words = ["equipose", "tables"]
    for name in ("preset", "data", "data_root", "tables", "columns", "seeds", "epochs", "override"):
        value = options[name]
        if value is not None and value != []:
            words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, list) else [value])]
    words += ["--workers", options["workers"]] if options["workers"] != 1 else []
    words += ["--gpu"] if options["gpu"] else []
    return shlex.join([*map(str, words), "--out", str(out)])


def prepared(options: dict[str, Any], out: Path) -> Path:
    """The store of the job's data, prepared now if it is not there yet."""
    root = Path(options["data_root"]) if options["data_root"] else None
    return ensure_store(options["data"], root, out, PAPER_PRESETS[options["preset"]].sizes.simulated)


def print_plan(options: dict[str, Any], out: Path) -> None:
    """Print what a job would train, and how long that takes here. Raises ValueError for bad options."""
    from equipose.orchestrator.jobs.location import runs_folder
    from equipose.orchestrator.paper.estimate import estimate, plan_lines
    from equipose.orchestrator.paper.plan import check_data

    check(options)
    config = paper_config("plan", options, str(prepared(options, out)))
    check_data(config)
    print("\n".join(plan_lines(config, estimate(config, runs_folder(out), gpu=options["gpu"]))))


def run_job(name: str, options: dict[str, Any], out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, train what is missing, write the report, say where it is."""
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.paper.job import run_paper_job
    from equipose.orchestrator.paper.plan import check_data

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with job_lock(out, "tables", name), progress:
        progress.stage(f"preparing {options['data']} data")
        config = paper_config(name, options, str(prepared(options, out)))
        check_data(config)
        outcome = run_paper_job(
            config,
            JobLocation(out=out, dataset=options["data"]),
            progress,
            links_to=pages_address(options),
            command=command(options, Path("OUT")),
            gpu=options["gpu"],
        )
    finish_job(out, "tables", name, {"report": str(outcome.report.relative_to(out))})
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    print(f"report: {os.path.join(shown, outcome.report.relative_to(out))}")
    if not options["mlflow_url"] and not os.environ.get("MLFLOW_TRACKING_URI"):
        print(f"its links work while this runs: equipose ui {shown} --port {UI_PORT}")


def pages_address(options: dict[str, Any]) -> str:
    """Where the reader will find MLflow's pages."""
    own = os.environ.get("MLFLOW_TRACKING_URI", "")
    default = own if own.startswith("http") else f"http://127.0.0.1:{UI_PORT}"
    return str(options["mlflow_url"] or default).rstrip("/")
