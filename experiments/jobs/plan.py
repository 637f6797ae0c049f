"""`--plan`: what a sweep or comparison would do, and whether it could, without starting anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipose.experiments.jobs.preflight import report, wanted_by
from equipose.experiments.presets.sizes import PRESETS
from equipose.experiments.presets.sources import store_path

if TYPE_CHECKING:
    from equipose.orchestrator.comparison.config import ComparisonConfig
    from equipose.orchestrator.training.config import TrainConfig


def planned_store(options: dict[str, Any], out: Path) -> tuple[Path, bool]:
    """Where a job's data is or will be, and whether it is prepared."""
    root = Path(options["data_root"]) if options["data_root"] else None
    path = store_path(options["data"], root, out, PRESETS[options["preset"]].simulated)
    return path, (path / "manifest.json").exists()


def plan_sweep(options: dict[str, Any], out: Path) -> None:
    """Print a sweep's trials, data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.experiments.presets.sweep import sweep_config

    config = sweep_config("plan", _without_gpu(options), str(planned_store(options, out)[0]))
    print(
        f"sweep of {config.trials} trials, {config.base.epochs} epochs each; "
        f"the first {len(config.enqueued())} are the paper's setting and plain training per fusion"
    )
    _finish(options, config.base, out, config.trials)


def plan_comparison(options: dict[str, Any], out: Path) -> None:
    """Print a comparison's runs, those that are kept already, data and resources, and the doctor's checks.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.experiments.presets.comparison import comparison_config

    config = comparison_config("plan", _without_gpu(options), str(planned_store(options, out)[0]))
    tuning = [cell for cells in config.tuning_runs().values() for cell in cells]
    finals = len(config.settings) * len(config.methods) * len(config.seeds)
    alone = len(config.alone_runs())
    total = len(tuning) + finals + alone
    kept = kept_cells(config, out) if planned_store(options, out)[1] else 0
    print(
        f"comparison of {total} runs, {config.base.epochs} epochs each: {len(tuning)} to tune, {finals} to "
        f"compare {len(config.methods)} methods over {len(config.seeds)} seeds, {alone} of sensors alone; "
        f"{kept} are kept already, {total - kept} to train"
    )
    _finish(options, config.base, out, total - kept)


def kept_cells(config: ComparisonConfig, out: Path) -> int:
    """Runs that need no training any more. Compared runs count once tuning, which settles them, has ended."""
    from equipose.orchestrator.cluster.capacity import Resources
    from equipose.orchestrator.comparison.config import best_candidate
    from equipose.orchestrator.grid.run_one import RunsFolder, result_of

    place = RunsFolder(root=out / "cells", resources=Resources())
    candidates = config.tuning_runs()
    results = {cell.name: result_of(cell, place) for cells in candidates.values() for cell in cells}
    kept = {name: result for name, result in results.items() if result is not None}
    cells = config.alone_runs()
    if len(kept) == len(results):
        chosen = {which: best_candidate(tried, kept) for which, tried in candidates.items()}
        cells += config.final_runs(chosen or config.defaults())
    return len(kept) + sum(result_of(cell, place) is not None for cell in cells)


def _without_gpu(options: dict[str, Any]) -> dict[str, Any]:
    """Options whose config can be made where GPUs are missing, which the doctor will say."""
    return options | {"gpu": False}


def _finish(options: dict[str, Any], base: TrainConfig, out: Path, runs: int) -> None:
    """The data, the checks, and what fits."""
    from equipose.orchestrator.doctor.examine import examine

    store, ready = planned_store(options, out)
    print(f"data: {store}, {'prepared' if ready else 'to be prepared'}")
    wanted = wanted_by(options, base)
    report(examine(out, wanted, str(store) if ready else None), wanted, max(1, runs))
