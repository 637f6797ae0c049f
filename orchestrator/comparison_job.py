"""The whole job around a comparison: Ray and MLflow up, tune, train, test, tables and figures, all down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from balancing.registry import method_name
from orchestrator.cell_work import CellPlace, Tracking
from orchestrator.cells import Cell, CellResult
from orchestrator.comparison_config import ComparisonConfig, Setting, best_candidate
from orchestrator.comparison_record import record
from orchestrator.comparison_results import SettingOutcome, collect
from orchestrator.config import TrainConfig
from orchestrator.delivery import replay
from orchestrator.grid import run_grid
from orchestrator.parent_run import parent_run
from orchestrator.planning import concurrent_runs
from orchestrator.progress import SweepProgress
from orchestrator.run_tags import experiment_name, run_tags
from orchestrator.session import SessionConfig, ray_session
from orchestrator.sweep_job import JobPlace
from orchestrator.tracking import flatten_config
from orchestrator.tracking_server import tracking_server

Chosen = dict[tuple[Setting, str], TrainConfig]


@dataclass(frozen=True, kw_only=True)
class ComparisonOutcome:
    """What came of a comparison, and where its files are."""

    settings: tuple[SettingOutcome, ...]
    chosen: Chosen
    """(setting, method) -> the settings that tuning chose."""
    folder: Path
    """Tables and figures."""


def run_comparison_job(
    config: ComparisonConfig,
    place: JobPlace,
    progress: SweepProgress,
    *,
    gpu: bool = False,
    session: SessionConfig | None = None,
) -> ComparisonOutcome:
    """Run a comparison, or go on with an interrupted one; cells that have ended are not repeated.

    Raises `errors.FailedCellsError` when cells failed; the others are kept.
    """
    root = (place.out / "comparisons" / config.name).resolve()
    experiment = experiment_name(place.dataset, config.base.data)
    tags = {**run_tags(config.base), "comparison": config.name, "method": "all"}
    progress.stage("starting Ray and MLflow")
    with (
        tracking_server(place.out) as server,
        ray_session(session),
        parent_run(
            server.uri,
            experiment,
            config.name,
            key=f"comparison/{config.name}",
            tags=tags,
            params=_params(config),
        ) as parent,
    ):
        spool = str(root / "spool")
        replay(Path(spool), server.uri)
        concurrency, resources = concurrent_runs(config.workers, gpu=gpu, limit=10_000)
        tracking = Tracking(
            uri=server.uri,
            experiment=experiment,
            parent_run=parent,
            tags={"comparison": config.name},
            spool=spool,
        )
        cells = CellPlace(root=(place.out / "cells").resolve(), resources=resources, tracking=tracking)
        outcome = _tune_train_collect(config, cells, concurrency, progress, root)
        progress.stage("tables and figures")
        record(config, outcome.settings, outcome.chosen, tracking, root)
        replay(Path(spool), server.uri)
    return outcome


def _params(config: ComparisonConfig) -> dict[str, str]:
    """What distinguishes comparisons; methods and tuned settings stand on the children."""
    methods = ",".join(method_name(method) for method in config.methods)
    return flatten_config(config, omit=("base.data.store", "base.method", "methods")) | {"methods": methods}


def _tune_train_collect(
    config: ComparisonConfig, place: CellPlace, concurrency: int, progress: SweepProgress, root: Path
) -> ComparisonOutcome:
    def run(cells: Sequence[Cell], stage: str) -> dict[str, CellResult]:
        progress.stage(f"{stage}: {len(cells)} runs, {concurrency} at a time")
        return run_grid(cells, place, concurrency, shown(progress))

    candidates = config.tuning_cells()
    tuning = [cell for cells in candidates.values() for cell in cells]
    finals = len(config.settings) * len(config.methods) * len(config.seeds)
    progress.trials = len(tuning) + finals + len(config.alone_cells())
    tried = run(tuning, "tuning on validation subjects") if tuning else {}
    chosen = _choose(config, candidates, tried)
    cells = [*config.final_cells(chosen), *config.alone_cells()]
    results = run(cells, "training and testing")
    outcomes = collect({cell.name: cell for cell in cells}, results, place)
    return ComparisonOutcome(settings=outcomes, chosen=chosen, folder=root)


def _choose(
    config: ComparisonConfig,
    candidates: dict[tuple[Setting, str], list[Cell]],
    tried: dict[str, CellResult],
) -> Chosen:
    """The best candidate of every method in every setting; the defaults where nothing was tuned."""
    if candidates:
        return {which: best_candidate(cells, tried) for which, cells in candidates.items()}
    return config.defaults()


def shown(progress: SweepProgress) -> Callable[[Cell, str, CellResult | None], None]:
    """Tells the progress display about cells."""

    def told(cell: Cell, state: str, result: CellResult | None) -> None:
        epochs = cell.config.epochs
        ended = result is not None
        progress.trial(
            cell.name,
            "done" if state == "kept" else state,
            epochs if ended else 0,
            epochs,
            result.validation_mm if result else None,
        )

    return told
