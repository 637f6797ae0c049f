"""`equipose train --work unihpe`: image, 2D and 3D pose aligned in one space, stage by stage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import PresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.unihpe.stages import UnihpeOptions
    from equipose.orchestrator.training.config import TrainConfig


def align(
    *,
    store: str | None,
    preset: PresetName,
    variant: str | None,
    stages: int | None,
    protocol: str | None,
    split: str | None,
    out: Path,
    seed: int,
    epochs: int | None,
    workers: int,
    gpu: bool,
    override: tuple[str, ...],
    resume: bool,
    dry_run: bool,
) -> None:
    """Train one variant; the arguments are those of `equipose train`.

    Raises ValueError for options that would not work, DataError for a store without triplets.
    """
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.sources import chosen_source
    from equipose.experiments.presets.unihpe.stages import INDOOR, UnihpeOptions
    from equipose.orchestrator.training.config import to_json

    source = chosen_source(None, None, store, (), INDOOR)
    default = source.default_split()
    options = UnihpeOptions(
        data=source.kind,
        store=source.store,
        preset=preset,
        variants=(variant or "unihpe",),
        stages=3 if stages is None else stages,
        first_seed=seed,
        protocol=protocol or default[0],
        split=split or (default[1] if source.store else "subject"),
        epochs=epochs,
        workers=workers,
        gpu=gpu,
        override=override,
    )
    if dry_run:
        print(json.dumps(to_json(check(options)), indent=2))
        return
    start_job(options, out.resolve(), check=check, run=run_job, resume=resume)


def check(options: UnihpeOptions) -> TrainConfig:
    """The last run of the job. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.sources import check_source
    from equipose.experiments.presets.unihpe.stages import unihpe_config

    if options.store:
        check_source(options.source, [(options.protocol, options.split)])
    return unihpe_config("checked", options, store=options.store or "").base


def run_job(name: str, options: UnihpeOptions, out: Path) -> None:
    """Prepare the data, train the stages, print and save the outcome."""
    from equipose.experiments.jobs.comparison_summary import wide_console
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import claimed_job
    from equipose.experiments.presets.unihpe.stages import ensure_triplets, unihpe_config
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.unihpe.job import run_unihpe_job
    from equipose.orchestrator.unihpe.tables import unihpe_tables
    from equipose.pipelines.tables.formats import to_rich

    progress = JobProgress(noun="runs", alike="nothing")
    with claimed_job(name, options, out, progress):
        store = ensure_triplets(options, out)
        finished = run_unihpe_job(
            unihpe_config(name, options, store),
            JobLocation(out=out, dataset=options.data),
            progress,
            gpu=options.gpu,
            command=options.resume_command(out).removesuffix(" --resume"),
        )
    finish_job(out, options.kind, name, {"report": str(finished.report.relative_to(out))})
    console = wide_console()
    for table in unihpe_tables(finished.outcome).values():
        console.print(to_rich(table))
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    print(f"report: {Path(shown) / finished.report.relative_to(out)}\nlook at it: equipose ui {shown}")
