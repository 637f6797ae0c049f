"""`equipose compare`, `experiments/compare_methods.py`: compare balancing methods fairly."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, DataName, FusionName, PresetName

if TYPE_CHECKING:
    from equipose.experiments.presets.comparison import ComparisonOptions
    from equipose.orchestrator.training.config import TrainConfig


def compare(
    data: DataName = "simulated",
    data_root: Path | None = None,
    preset: PresetName = "quick",
    methods: tuple[str, ...] = (),
    seeds: int | None = None,
    fusions: tuple[FusionName, ...] = (),
    protocols: tuple[str, ...] = (),
    split: str | None = None,
    budget: int | None = None,
    epochs: int | None = None,
    alone: bool = True,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    override: tuple[str, ...] = (),
    resume: bool = False,
    plan: bool = False,
    quiet: bool = False,
) -> None:
    """Tune every method with equal budget, train each for every seed, read the test part once, compare.

    Args:
        data: Where the frames come from; the simulator needs no download.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        preset: `smoke`, `quick` (ten methods, three seeds) or `paper` (all methods, fusions and protocols).
        methods: Instead of the preset's; `plain` is always included.
        seeds: How many, counted from 0.
        fusions: Instead of the preset's.
        protocols: Of P1, P2, P3 (MARS: `MARS`); one table each.
        split: S1, S2 or S3 (MARS: `time` or `subject`).
        budget: Settings tried per method on validation subjects; 1 tunes nothing.
        epochs: Instead of the preset's number; schedules keep their share.
        alone: Also train every sensor alone, as the reference of what it can reach.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        override: Any other setting of every run, e.g. `optimizer.lr=3e-4 model.norm=layer`.
        resume: Resume the newest unfinished job of this data and preset in `out`, with its own options.
        plan: Print what would run and whether it fits, then stop.
        quiet: Print only the tables.
    """
    from equipose.experiments.jobs.plan import plan_comparison
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.comparison import COMPARISONS, ComparisonOptions
    from equipose.experiments.presets.sources import PROTOCOLS

    sizes = COMPARISONS[preset]
    options = ComparisonOptions(
        data=data,
        data_root=data_root.resolve() if data_root else None,
        preset=preset,
        methods=tuple(dict.fromkeys(("plain", *(methods or sizes.methods)))),
        seeds=sizes.seeds if seeds is None else seeds,
        fusions=fusions or sizes.fusions,
        protocols=protocols or (sizes.protocols if data != "mars" else None) or PROTOCOLS[data][:1],
        split=split or PROTOCOLS[data][1],
        budget=sizes.budget if budget is None else budget,
        epochs=sizes.epochs if epochs is None else epochs,
        alone=alone,
        workers=workers,
        gpu=gpu,
        override=override,
    )
    start_job(
        options,
        out.resolve(),
        check=check,
        run=partial(run_job, quiet=quiet),
        plan=plan_comparison if plan else None,
        resume=resume,
    )


def check(options: ComparisonOptions) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.comparison import comparison_config
    from equipose.experiments.presets.sources import check_root
    from equipose.pipelines.protocols import splits

    check_root(options.data, options.data_root)
    for protocol in options.protocols if options.data != "mars" else ():
        splits(protocol, options.split)
    return comparison_config("checked", options, store="").base


def run_job(name: str, options: ComparisonOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, run the comparison that `options` describe, print and save its outcome."""
    from equipose.experiments.jobs.comparison_summary import outcome_json, print_comparison
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.presets.comparison import comparison_config
    from equipose.orchestrator.comparison.job import run_comparison_job
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        config = comparison_config(name, options, str(store))
        location = JobLocation(out=out, dataset=options.data)
        outcome = run_comparison_job(config, location, progress, gpu=options.gpu)
    finish_job(out, options.kind, name, outcome_json(outcome))
    print_comparison(outcome, out)
