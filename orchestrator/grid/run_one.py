"""What one process does for one cell: train what is left, read the test part, tell MLflow."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ray.train import Result

from equipose.balancing.shapley.statistics import DivergedError
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import BEST, CheckpointFolder
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.evaluation.evaluation import Evaluation, evaluate, load_evaluation, save_evaluation
from equipose.orchestrator.evaluation.report_formats import report_metrics
from equipose.orchestrator.failures import FailedTrainingError
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.ray_train.run import Resources, best_checkpoint, run_training
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracked, Tracking, create_run, flatten_config
from equipose.orchestrator.training.build import build_training, own_device, run_facts
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import part_rows
from equipose.orchestrator.training.logged_run import run_epochs
from equipose.orchestrator.training.run_tags import run_tags
from equipose.pipelines.files.locks import locked

TRAIN = "train"
"""Checkpoints of a cell in training; gone once its result is there."""


@dataclass(frozen=True, kw_only=True)
class RunsFolder:
    """Where cells live; on a cluster a folder that every node sees."""

    root: Path
    resources: Resources
    tracking: Tracking | None = None

    def folder(self, cell: RunSpec) -> Path:
        """Of one cell, shared by all grids that need it."""
        return self.root / cell.key


def result_of(cell: RunSpec, place: RunsFolder) -> RunResult | None:
    """The result of a cell that has ended, evaluation included where it asks for one; None otherwise."""
    folder = place.folder(cell)
    result = RunResult.load(folder)
    if result is None or (cell.evaluate and not (folder / cell.evaluation).exists()):
        return None
    return result


def evaluation_of(cell: RunSpec, place: RunsFolder) -> Evaluation:
    """What a cell with `evaluate` found on the test part."""
    return load_evaluation(place.folder(cell) / cell.evaluation)


def work_on(cell: RunSpec, place: RunsFolder) -> RunResult:
    """Bring a cell to its end from wherever it is; a cell that has ended is only made known to MLflow.

    Two processes that want the same cell wait for each other, so it is trained once.
    """
    folder = place.folder(cell)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        tracked = _open_run(cell, place.tracking)
        result = RunResult.load(folder)
        fresh = result is None
        if result is None:
            result = _train_or_give_up(cell, place, tracked)
            result.save()
        # Only now: whoever is killed before the result is there still needs what it was made from.
        shutil.rmtree(folder / TRAIN, ignore_errors=True)
        if cell.evaluate and not (folder / cell.evaluation).exists():
            save_evaluation(_evaluate(cell, folder), folder / cell.evaluation)
        if tracked:
            _record(cell, place, result, tracked, curves=not fresh)
        return result


def train_alone(config: TrainConfig, folder: Path, tracked: Tracked | None) -> Path:
    """Train in this process, going on from the newest readable checkpoint in `folder`.

    Returns the folder of the last checkpoint; the best lies beside it, in `best`.
    """
    training, store = build_training(config, device=own_device())
    facts = run_facts(training, store, config)
    kept = CheckpointFolder(folder)
    state = kept.load_newest()
    if state is not None:
        state["config"]["data"]["store"] = config.data.store  # the same frames may have moved since
        checkpoints.restore(training, state, config)
    keep = partial(kept.save, training, config, facts)
    run_epochs(training, config, tracked, keep, kept.damaged)
    return kept.newest


def _train_or_give_up(cell: RunSpec, place: RunsFolder, tracked: Tracked | None) -> RunResult:
    """The trained cell; while tuning, settings that diverge are a result too: the worst there is."""
    try:
        return _train(cell, place, tracked)
    except DivergedError:
        if cell.evaluate:
            raise
        training, store = build_training(cell.config)
        worst = {"best/epoch": -1.0, "best/mpjpe_mm": float("inf")}
        return RunResult(
            key=cell.key,
            config=cell.config,
            history=(worst,),
            folder=place.folder(cell),
            **run_facts(training, store, cell.config),
        )


def _train(cell: RunSpec, place: RunsFolder, tracked: Tracked | None) -> RunResult:
    """Alone in this process, or as a Ray Train run where there are several workers."""
    folder = place.folder(cell)
    if cell.workers > 1:
        result = _train_on_ray(cell, folder, place, tracked)
        assert result.checkpoint is not None
        last, best = Path(result.checkpoint.path), best_checkpoint(result)
    else:
        last, best = train_alone(cell.config, folder / TRAIN, tracked), folder / TRAIN / BEST
    state = checkpoints.load(last)
    for name, checkpoint in (("last", last), ("best", best)):
        shutil.copytree(checkpoint, folder / name, dirs_exist_ok=True)
    return RunResult(
        key=cell.key, config=cell.config, history=tuple(state["history"]), folder=folder, **state["extra"]
    )


def _train_on_ray(cell: RunSpec, folder: Path, place: RunsFolder, tracked: Tracked | None) -> Result:
    """As Ray Train does it, except that divergence is the same error as in a process of one's own."""
    try:
        return run_training(
            cell.config, name=TRAIN, storage=folder, resources=place.resources, tracked=tracked
        )
    except FailedTrainingError as error:
        if isinstance(error.cause, DivergedError):
            raise error.cause from error
        raise


def _evaluate(cell: RunSpec, folder: Path) -> Evaluation:
    """Every subset of sensors on the test part, once."""
    trained = load_model(folder / cell.select, store=cell.config.data.store)
    rows = part_rows(trained.store, cell.config.data)["test"]
    return evaluate(
        trained.model.to(own_device()),
        trained.batches(rows),
        value_function=cell.config.value_function,
        seed=cell.config.seed,
    )


def _open_run(cell: RunSpec, tracking: Tracking | None) -> Tracked | None:
    """The cell's run in MLflow, made once however often the cell is started."""
    if tracking is None:
        return None
    run_id = create_run(
        tracking.uri,
        tracking.experiment,
        cell.name,
        key=f"{tracking.parent_run}/{cell.name}",
        parent=tracking.parent_run,
        tags={**tracking.tags, **run_tags(cell.config), "cell": cell.key, "stage": cell.stage},
        params=flatten_config(cell.config, omit=("data.store",)),
    )
    return Tracked(uri=tracking.uri, run_id=run_id, outbox=tracking.outbox)


def _record(cell: RunSpec, place: RunsFolder, result: RunResult, tracked: Tracked, *, curves: bool) -> None:
    """Costs and test numbers, and the curves of a cell that another grid has trained."""
    run = client(tracked.uri).get_run(tracked.run_id)
    # Training ends the run too, so a cell that was killed after it still lacks what is recorded here.
    if run.info.status == "FINISHED" and "cost/parameters" in run.data.metrics:
        return
    with RunLogger(tracked.uri, tracked.run_id, Path(tracked.outbox)) as logger:
        for epoch, metrics in enumerate(result.history if curves else ()):
            logger.log_metrics(metrics, step=epoch)
        evaluation = evaluation_of(cell, place) if cell.evaluate else None
        logger.log_metrics(cell_metrics(result, evaluation), step=len(result.history) - 1)


def cell_metrics(result: RunResult, evaluation: Evaluation | None) -> dict[str, float]:
    """Costs and test numbers of a cell under their tracking names: `cost/*`, `test/*`."""
    numbers = {f"cost/{name}": value for name, value in result.costs().items()}
    if evaluation is not None:
        numbers |= report_metrics(evaluation.report, "test")
        numbers["test/pa_mpjpe_mm"] = evaluation.pa_mpjpe_mm
    return numbers
