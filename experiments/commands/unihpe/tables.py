"""`equipose tables --work unihpe`: UniHPE's tables and figures."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import PaperPresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.unihpe.tables import UnihpeTablesOptions
    from equipose.orchestrator.training.config import TrainConfig


def unihpe_tables(
    *,
    store: str | None,
    wild: str | None,
    joined: str | None,
    preset: PaperPresetName,
    seeds: int | None,
    epochs: int | None,
    out: Path,
    workers: int,
    gpu: bool,
    override: tuple[str, ...],
    contrast_last: bool,
    mlflow_url: str | None,
    resume: bool,
    quiet: bool,
) -> None:
    """Train what the tables need; the arguments are those of `equipose tables`.

    Raises ValueError for options that would not work, DataError for a store without triplets.
    """
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.sources import chosen_source
    from equipose.experiments.presets.unihpe.stages import INDOOR
    from equipose.experiments.presets.unihpe.tables import UnihpeTablesOptions

    if preset == "mars":
        raise ValueError("--preset mars has no triplets; with --work unihpe use smoke, quick or paper")
    source = chosen_source(None, None, store, (), INDOOR)
    options = UnihpeTablesOptions(
        data=source.kind,
        store=source.store,
        wild=wild,
        joined=joined,
        preset=preset,
        seeds=seeds,
        epochs=epochs,
        workers=workers,
        gpu=gpu,
        override=override,
        contrast_last=contrast_last,
        mlflow_url=mlflow_url,
    )
    start_job(
        options, out.resolve(), check=check, run=partial(run_job, quiet=quiet), resume=resume, extent=seeds
    )


def check(options: UnihpeTablesOptions) -> TrainConfig:
    """The run that stands for all. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.sources import DataSource, check_source
    from equipose.experiments.presets.unihpe.tables import TableStores, unihpe_tables_config

    wanted = {"store": (options.protocol, options.split), "wild": ("3DPW", "test")}
    wanted["joined"] = ("H36M+3DHP", options.split)
    for name, parts in wanted.items():
        if path := getattr(options, name):
            check_source(DataSource(kind=options.data, store=path), [parts])
    stores = TableStores(lab=options.store or "", wild=options.wild, joined=options.joined)
    return unihpe_tables_config("checked", options, stores).base


def run_job(name: str, options: UnihpeTablesOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, train what is missing, write the report, print its path."""
    from equipose.experiments.jobs.pages import pages_address
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import claimed_job
    from equipose.experiments.presets.unihpe.tables import ensure_table_stores, unihpe_tables_config
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.unihpe.paper.job import run_unihpe_paper_job

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with claimed_job(name, options, out, progress):
        stores = ensure_table_stores(options, out)
        finished = run_unihpe_paper_job(
            unihpe_tables_config(name, options, stores),
            JobLocation(out=out, dataset=options.data),
            progress,
            links_to=pages_address(options.mlflow_url),
            command=options.command(Path("OUT")),
            gpu=options.gpu,
        )
    finish_job(out, options.kind, name, {"report": str(finished.report.relative_to(out))})
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    print(f"report: {Path(shown) / finished.report.relative_to(out)}\nlook at it: equipose ui {shown}")
