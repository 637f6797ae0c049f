"""`equipose sweep --work unihpe`: search the settings of the alignment, test the best beside the default."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import AlignObjective, PresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.unihpe.sweep import AlignSweepOptions
    from equipose.orchestrator.training.config import TrainConfig


def sweep_alignment(
    *,
    store: str | None,
    preset: PresetName,
    objective: AlignObjective,
    dials: tuple[str, ...],
    protocol: str | None,
    split: str | None,
    out: Path,
    seed: int,
    seeds: int | None,
    trials: int | None,
    epochs: int | None,
    workers: int,
    gpu: bool,
    override: tuple[str, ...],
    resume: bool,
    plan: bool,
    quiet: bool,
) -> None:
    """Start or resume a sweep, or print its plan; the arguments are those of `equipose sweep`.

    Raises ValueError for options that would not work, DataError for a store without triplets.
    """
    from equipose.experiments.jobs.plan import plan_alignment
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.sources import chosen_source
    from equipose.experiments.presets.unihpe.stages import INDOOR
    from equipose.experiments.presets.unihpe.sweep import ALIGN_SWEEPS, STAGES_OF, AlignSweepOptions

    source = chosen_source(None, None, store, (), INDOOR)
    default, sizes = source.default_split(), ALIGN_SWEEPS[preset]
    options = AlignSweepOptions(
        data=source.kind,
        store=source.store,
        preset=preset,
        stages=STAGES_OF[objective],
        dials=dials,
        first_seed=seed,
        seeds=sizes.seeds if seeds is None else seeds,
        trials=sizes.trials if trials is None else trials,
        protocol=protocol or default[0],
        split=split or (default[1] if source.store else "subject"),
        epochs=epochs,
        workers=workers,
        gpu=gpu,
        override=override,
    )
    start_job(
        options,
        out,
        check=check,
        run=partial(run_job, quiet=quiet),
        plan=plan_alignment if plan else None,
        resume=resume,
        extent=trials,
    )


def check(options: AlignSweepOptions) -> TrainConfig:
    """The run that all trials vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.sources import check_source
    from equipose.experiments.presets.unihpe.sweep import align_sweep_config

    if options.store:
        check_source(options.source, [(options.protocol, options.split)])
    return align_sweep_config("checked", options, store=options.store or "").base


def run_job(name: str, options: AlignSweepOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, run the sweep that `options` describe, print and save its outcome."""
    from equipose.experiments.jobs.align_sweep_summary import print_alignment
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import claimed_job
    from equipose.experiments.presets.unihpe.stages import ensure_triplets
    from equipose.experiments.presets.unihpe.sweep import align_sweep_config
    from equipose.orchestrator.failures import listed
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.unihpe.sweep.config import OBJECTIVE
    from equipose.orchestrator.unihpe.sweep.job import run_align_sweep_job

    progress = JobProgress(objective=OBJECTIVE, alike="runs", mode="quiet" if quiet else None)
    with claimed_job(name, options, out, progress):
        config = align_sweep_config(name, options, ensure_triplets(options, out))
        finished = run_align_sweep_job(
            config,
            JobLocation(out=out, dataset=options.data),
            progress,
            command=options.resume_command(out).removesuffix(" --resume"),
        )
    search = finished.outcome.search
    left = options.trials - len(search.trials.filter(search.trials["state"] != "failed"))
    report = str(finished.report.relative_to(out))
    finish_job(out, options.kind, name, finished.outcome.to_json() | {"trials_left": left, "report": report})
    print_alignment(finished, options, out)
    if left > 0:
        why = listed(dict(search.failures)) or "see MLflow"
        print(f"{left} trials failed ({why}); fix the cause, then: {options.resume_command(out)}")
