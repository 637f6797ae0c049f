"""`--plan`: what a sweep or comparison would run, and whether it fits, without starting anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.jobs.preflight import report, wanted_by
from equipose.experiments.presets.comparison import ComparisonOptions, comparison_config
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sources import store_path
from equipose.experiments.presets.stream_sweep import StreamSweepOptions, stream_sweep_config
from equipose.experiments.presets.sweep import SweepOptions, sweep_config
from equipose.experiments.presets.unihpe.stages import UnihpeOptions, triplets_path
from equipose.experiments.presets.unihpe.sweep import AlignSweepOptions, align_sweep_config

if TYPE_CHECKING:
    from equipose.orchestrator.comparison.config import ComparisonConfig
    from equipose.orchestrator.training.config import TrainConfig


def planned_store(options: ResumableOptions, out: Path) -> tuple[str, bool]:
    """Path or URI of a job's store, and whether it is prepared."""
    if isinstance(options, UnihpeOptions):
        path = options.store or str(triplets_path(options, out))
    else:
        path = store_path(options.source, out, options.simulated)
    return path, options.store is not None or Path(path, "manifest.json").exists()


def plan_sweep(options: SweepOptions, out: Path) -> None:
    """Print a sweep's trials, data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    # Without GPUs, so that a machine that lacks them gets a plan and the doctor's remedy.
    config = sweep_config("plan", replace(options, gpu=False), planned_store(options, out)[0])
    print(
        f"sweep of {config.trials} trials, {config.base.epochs} epochs each; "
        f"the first {len(config.enqueued())} are the paper's setting and plain training per fusion"
    )
    _finish(options, config.base, out, config.trials)


def plan_streams(options: StreamSweepOptions, out: Path) -> None:
    """Print what a sweep of streams searches, its data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    noisy = "" if options.contaminated else None
    config = stream_sweep_config("plan", replace(options, gpu=False), planned_store(options, out)[0], noisy)
    print(
        f"sweep of {config.total} streams of {config.length} tasks, {config.job.base.epochs} epochs each; "
        "the first of every strategy is its own setting, and none is stopped early"
    )
    for search in config.searches():
        turned = ", ".join(dial.label for dial in search.dials) or "nothing to tune"
        print(f"  {search.name}: {search.trials} x {turned}")
    _finish(options, config.job.base, out, config.total)


def plan_alignment(options: AlignSweepOptions, out: Path) -> None:
    """Print what a sweep of an alignment searches and tests, its data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    config = align_sweep_config("plan", replace(options, gpu=False), planned_store(options, out)[0])
    epochs = ", ".join(str(spec.config.epochs) for spec in config.job.runs(config.variant, 0))
    print(
        f"sweep of {config.total} trials of {config.length} stages, {epochs} epochs; the first is the "
        f"default setting, and none is stopped early; a pose {config.judged_by} from the picture counts"
    )
    for search in config.searches():
        print("\n".join(f"  {dial.label}" for dial in search.dials))
    finals = 2 * len(config.job.seeds) * config.length
    print(f"then the best and the default setting with {len(config.job.seeds)} seeds each: {finals} runs")
    _finish(options, config.base, out, config.total)


def plan_comparison(options: ComparisonOptions, out: Path) -> None:
    """Print a comparison's runs, how many of them are kept, data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.orchestrator.comparison.checks import check_runs

    config = comparison_config("plan", replace(options, gpu=False), planned_store(options, out)[0])
    tuning = [spec for specs in config.tuning_runs().values() for spec in specs]
    finals = len(config.settings) * len(config.methods) * len(config.seeds)
    alone, checks = len(config.alone_runs()), len(check_runs(config, config.defaults()))
    total = len(tuning) + finals + alone + checks
    kept = kept_runs(config, out) if planned_store(options, out)[1] else 0
    print(
        f"comparison of {total} runs, {config.base.epochs} epochs each: {len(tuning)} to tune, {finals} to "
        f"compare {len(config.methods)} methods over {len(config.seeds)} seeds, {alone} of sensors alone, "
        f"{checks} to measure convergence and headroom; {kept} are kept already, {total - kept} to train"
    )
    if config.checks:
        again = len(config.seeds) * len(config.settings) * len(config.methods)
        print(f"verdicts that are decided are repeated on fresh seeds: up to {again} runs more")
    _finish(options, config.base, out, total - kept)


def kept_runs(config: ComparisonConfig, out: Path) -> int:
    """Number of runs that need no training; compared runs count once tuning has decided their settings."""
    from equipose.orchestrator.cluster.capacity import Resources
    from equipose.orchestrator.comparison.checks import check_runs
    from equipose.orchestrator.comparison.config import best_candidate
    from equipose.orchestrator.grid.run_one import RunsFolder, result_of
    from equipose.orchestrator.jobs.location import runs_folder

    folder = RunsFolder(root=runs_folder(out), resources=Resources())
    candidates = config.tuning_runs()
    results = {spec.name: result_of(spec, folder) for specs in candidates.values() for spec in specs}
    kept = {name: result for name, result in results.items() if result is not None}
    others = config.alone_runs()
    if len(kept) == len(results):
        chosen = {which: best_candidate(tried, kept) for which, tried in candidates.items()}
        others += config.final_runs(chosen or config.defaults())
        others += check_runs(config, chosen or config.defaults())
    return len(kept) + sum(result_of(spec, folder) is not None for spec in others)


def _finish(options: ResumableOptions, base: TrainConfig, out: Path, runs: int) -> None:
    """Print the data, the checks, and what fits."""
    from equipose.orchestrator.doctor.examine import examine

    store, ready = planned_store(options, out)
    print(f"data: {store}, {'prepared' if ready else 'to be prepared'}")
    wanted = wanted_by(base, workers=options.workers, gpu=options.gpu)
    report(examine(out, wanted, store if ready else None), wanted, max(1, runs))
