"""`equipose compare`, `experiments/compare_methods.py`: compare balancing methods fairly."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import (
    DEFAULT_OUT,
    ComparisonPresetName,
    FusionName,
    OptimizerName,
    StartName,
)

if TYPE_CHECKING:
    from equipose.experiments.presets.comparison import ComparisonOptions
    from equipose.orchestrator.training.config import TrainConfig


def compare(
    data: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    preset: ComparisonPresetName = "quick",
    methods: tuple[str, ...] = (),
    seeds: int | None = None,
    fusions: tuple[FusionName, ...] = (),
    optimizers: tuple[OptimizerName, ...] = ("adam",),
    starts: tuple[StartName, ...] = ("new",),
    protocols: tuple[str, ...] = (),
    split: str | None = None,
    budget: int | None = None,
    epochs: int | None = None,
    alone: bool = True,
    checks: bool = True,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    resume: bool = False,
    plan: bool = False,
    quiet: bool = False,
) -> None:
    """Tune every method with equal budget, train each for every seed, read the test part once, compare.

    Args:
        data: Where the frames come from; by default the simulator, which needs no download.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        preset: `smoke`; `quick` (six people to train on, ten methods, three seeds); `few_subjects` and
            `missing_sensor` (all methods, five seeds); `paper` (all methods, fusions and protocols).
        methods: Instead of the preset's; `plain` is always included.
        seeds: How many, counted from 0; with `--resume` the number to extend the newest comparison to.
        fusions: Instead of the preset's.
        optimizers: `adam sgd` compares all methods with either: methods that scale gradients were published
            with SGD.
        starts: `new aligned` compares all methods from new weights and from encoders that were aligned with
            the skeletons first.
        protocols: Of P1, P2, P3 (MARS: `MARS`); one table each.
        split: S1, S2 or S3 (MARS: `time` or `subject`).
        budget: Settings tried per method on the validation part; 1 tunes nothing.
        epochs: Instead of the preset's number; schedules keep their share.
        alone: Also train every sensor alone, as the reference of what it can reach.
        checks: Also measure convergence and headroom, and repeat decided verdicts on fresh seeds; without,
            the verdicts are those of the tests alone.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of the models, two or more, e.g. `rgb lidar`; by default those of the AWC paper.
        override: Any other setting of every run, e.g. `optimizer.lr=3e-4 model.norm=layer`.
        resume: Resume the newest unfinished job of this data and preset in `out`, with its own options.
        plan: Print what would run and whether it fits, then stop.
        quiet: Print only the tables.
    """
    from equipose.experiments.jobs.plan import plan_comparison
    from equipose.experiments.jobs.start import start_job
    from equipose.experiments.presets.comparison import COMPARISONS, ComparisonOptions
    from equipose.experiments.presets.sources import chosen_source

    sizes = COMPARISONS[preset]
    source = chosen_source(data, data_root, store, sensors)
    default = source.default_split()
    options = ComparisonOptions(
        data=source.kind,
        data_root=source.root,
        store=source.store,
        preset=preset,
        methods=tuple(dict.fromkeys(("plain", *(methods or sizes.methods)))),
        seeds=sizes.seeds if seeds is None else seeds,
        fusions=fusions or sizes.fusions,
        optimizers=optimizers,
        starts=starts,
        protocols=protocols or preset_protocols(sizes.protocols, default[0]),
        split=split or default[1],
        budget=sizes.budget if budget is None else budget,
        epochs=sizes.sizes.epochs if epochs is None else epochs,
        alone=alone,
        checks=checks,
        workers=workers,
        gpu=gpu,
        sensors=source.model_sensors(),
        override=override,
    )
    start_job(
        options,
        out.resolve(),
        check=check,
        run=partial(run_job, quiet=quiet),
        plan=plan_comparison if plan else None,
        resume=resume,
        extent=seeds,
    )


def preset_protocols(of_preset: tuple[str, ...] | None, default: str) -> tuple[str, ...]:
    """The preset's protocols, where they are for this kind of data."""
    return of_preset if of_preset and default in of_preset else (default,)


def check(options: ComparisonOptions) -> TrainConfig:
    """The run that all others vary. Raises ValueError for options that would not work."""
    from equipose.experiments.presets.comparison import comparison_config
    from equipose.experiments.presets.sources import check_source

    check_source(options.source, [(protocol, options.split) for protocol in options.protocols])
    return comparison_config("checked", options, store="").base


def run_job(name: str, options: ComparisonOptions, out: Path, *, quiet: bool = False) -> None:
    """Prepare the data, run the comparison that `options` describe, print and save its outcome."""
    from equipose.experiments.jobs.comparison_summary import outcome_json, print_comparison
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors
    from equipose.experiments.jobs.records import finish_job
    from equipose.experiments.jobs.start import running_job
    from equipose.experiments.presets.comparison import comparison_config
    from equipose.orchestrator.comparison.job import run_comparison_job
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress

    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with running_job(name, options, out, progress) as store:
        config = comparison_config(name, options, store)
        stop_at_absent_sensors(config.base)
        location = JobLocation(out=out, dataset=options.data)
        outcome = run_comparison_job(config, location, progress, gpu=options.gpu)
    finish_job(out, options.kind, name, outcome_json(outcome))
    print_comparison(outcome, out)
