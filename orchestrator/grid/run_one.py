"""One run of a grid from start to end: train what is left, evaluate on the test part, record it in MLflow."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from equipose.balancing.shapley.statistics import DivergedError
from equipose.models.base import RoutedModel
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.evaluation.aligned.evaluation import (
    AlignedEvaluation,
    evaluate_aligned,
    load_aligned,
    save_aligned,
)
from equipose.orchestrator.evaluation.evaluation import Evaluation, evaluate, load_evaluation, save_evaluation
from equipose.orchestrator.evaluation.refit import refitted_errors
from equipose.orchestrator.evaluation.report_formats import report_metrics
from equipose.orchestrator.grid.launch import train
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracked, Tracking, create_run, flatten_config
from equipose.orchestrator.training.build import build_training, own_device, run_facts
from equipose.orchestrator.training.config import DataConfig
from equipose.orchestrator.training.data import OpenedData, RunData
from equipose.orchestrator.training.run_tags import run_tags
from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.files.locks import locked
from equipose.pipelines.protocols import Task

TRAIN = "train"
"""Checkpoints of a run in training; removed once its result is there."""
TESTED = ("test",)
"""The part that data must have on which a trained model is tested too."""


@dataclass(frozen=True, kw_only=True)
class RunsFolder:
    """Where runs are kept; on a cluster a folder that every node sees."""

    root: Path
    resources: Resources
    tracking: Tracking | None = None
    opened: OpenedData = field(default_factory=OpenedData, compare=False, repr=False)
    """The data of all runs, which their keys depend on; opened once per process."""

    def data(self, spec: RunSpec) -> RunData:
        """The data of a run."""
        return self.opened.of(spec.config.data)

    def key(self, spec: RunSpec) -> str:
        """The key of a run, see `RunSpec.key`."""
        parent = self.key(spec.init_from) if spec.init_from else None
        return spec.key(self.data(spec).fingerprint, parent)

    def folder(self, spec: RunSpec) -> Path:
        """The folder of a run, shared by all grids that need it."""
        return self.root / self.key(spec)


def result_of(spec: RunSpec, runs: RunsFolder) -> RunResult | None:
    """The result of a run that has ended, with its evaluation if it asks for one; None otherwise."""
    folder = runs.folder(spec)
    result = RunResult.load(folder)
    if result is None or not all((folder / name).exists() for name in _asked_for(spec)):
        return None
    return result


def _asked_for(spec: RunSpec) -> list[str]:
    """Names of the evaluations that a run must have."""
    return [*spec.evaluations, *spec.alignments, *([spec.refitted] if spec.refit else ())]


def evaluation_of(spec: RunSpec, runs: RunsFolder) -> Evaluation:
    """The evaluation on the test part of a run that has ended and asks for one."""
    return load_evaluation(runs.folder(spec) / spec.evaluation)


def aligned_of(spec: RunSpec, runs: RunsFolder, also: str = "") -> AlignedEvaluation:
    """Routes, and retrieval, of a run that has ended and whose model has them, on its own or other data."""
    return load_aligned(runs.folder(spec) / f"aligned-{spec.select}{also and '-' + also}")


def evaluation_on(spec: RunSpec, task: Task, runs: RunsFolder) -> Evaluation:
    """The evaluation on a task's test part of a run that has ended and asks for it."""
    return load_evaluation(runs.folder(spec) / spec.evaluation_on(task))


def work_on(spec: RunSpec, runs: RunsFolder) -> RunResult:
    """Bring a run to its end from wherever it is; one that has ended is only recorded in MLflow.

    Two processes that want the same run wait for each other, so it is trained once.
    """
    folder = runs.folder(spec)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        tracked = _open_run(spec, runs)
        result = RunResult.load(folder)
        fresh = result is None
        if result is None:
            result = _train_or_give_up(spec, runs, tracked)
            result.save()
        # Only now: an attempt that is killed before the result is there still needs its checkpoints.
        shutil.rmtree(folder / TRAIN, ignore_errors=True)
        for name, data in spec.evaluations.items():
            if not (folder / name).exists():
                save_evaluation(_evaluate(spec, runs, runs.opened.of(data)), folder / name)
        for name, data in spec.alignments.items():
            if not (folder / name).exists():
                save_aligned(_evaluate_aligned(spec, runs, runs.opened.of(data, TESTED), data), folder / name)
        if spec.refit and not (folder / spec.refitted).exists():
            with atomic(folder / spec.refitted) as file:
                _refit(spec, runs).write_parquet(file)
        if tracked:
            _record(spec, runs, result, tracked, curves=not fresh)
        return result


def _train_or_give_up(spec: RunSpec, runs: RunsFolder, tracked: Tracked | None) -> RunResult:
    """The trained run; while tuning, settings that diverge have a result too: the worst there is."""
    try:
        return _train(spec, runs, tracked)
    except DivergedError:
        if spec.evaluations:
            raise
        data = runs.data(spec)
        worst = {"best/epoch": -1.0, "best/mpjpe_mm": float("inf")}
        return _result(spec, runs, (worst,), run_facts(build_training(spec.config, data), data))


def _train(spec: RunSpec, runs: RunsFolder, tracked: Tracked | None) -> RunResult:
    """Train what is left, and copy the last and the best checkpoint to where they stay."""
    folder = runs.folder(spec)
    before = spec.init_from
    start = runs.folder(before) / before.select if before else None
    last, best = train(spec, runs.data(spec), folder / TRAIN, runs.resources, tracked, start)
    state = checkpoints.load(last)
    for name, checkpoint in (("last", last), ("best", best)):
        shutil.copytree(checkpoint, folder / name, dirs_exist_ok=True)
    return _result(spec, runs, tuple(state["history"]), state["extra"])


def _result(
    spec: RunSpec, runs: RunsFolder, history: tuple[dict[str, float], ...], facts: dict[str, Any]
) -> RunResult:
    return RunResult(
        key=runs.key(spec), config=spec.config, history=history, folder=runs.folder(spec), **facts
    )


def _evaluate(spec: RunSpec, runs: RunsFolder, data: RunData) -> Evaluation:
    """Evaluate every subset of sensors on the test part of some data."""
    trained = load_model(runs.folder(spec) / spec.select)
    return evaluate(
        trained.model.to(own_device()),
        data.source("test", spec.config.data.batch),
        value_function=spec.config.value_function,
        seed=spec.config.seed,
    )


def _evaluate_aligned(
    spec: RunSpec, runs: RunsFolder, data: RunData, config: DataConfig
) -> AlignedEvaluation:
    """Routes and, where there are embeddings, retrieval on the test part of some data."""
    model = load_model(runs.folder(spec) / spec.select).model
    assert isinstance(model, RoutedModel)
    return evaluate_aligned(model.to(own_device()), data.source("test", config.batch), data.joints)


def _refit(spec: RunSpec, runs: RunsFolder) -> pl.DataFrame:
    """Errors on the test part under heads that are fitted for every subset of sensors."""
    data = runs.data(spec)
    trained = load_model(runs.folder(spec) / spec.select)
    return refitted_errors(trained.model.to(own_device()), data, spec.config.data.batch)


def refitted_of(spec: RunSpec, runs: RunsFolder) -> pl.DataFrame:
    """The frame table of a run that asks for refitted heads and has ended."""
    return pl.read_parquet(runs.folder(spec) / spec.refitted)


def _open_run(spec: RunSpec, runs: RunsFolder) -> Tracked | None:
    """The run in MLflow, made once however often it is started."""
    tracking = runs.tracking
    if tracking is None:
        return None
    run_id = create_run(
        tracking.uri,
        tracking.experiment,
        spec.name,
        key=f"{tracking.parent_run}/{spec.name}",
        parent=tracking.parent_run,
        tags={
            **tracking.tags,
            **run_tags(spec.config, runs.data(spec)),
            "cell": runs.key(spec),
            "stage": spec.stage,
        },
        params=flatten_config(spec.config, omit=("data.store",)),
    )
    return Tracked(uri=tracking.uri, run_id=run_id, outbox=tracking.outbox)


def _record(spec: RunSpec, runs: RunsFolder, result: RunResult, tracked: Tracked, *, curves: bool) -> None:
    """Record costs and test numbers, and the curves of a run that another grid has trained."""
    run = client(tracked.uri).get_run(tracked.run_id)
    # Training finishes the MLflow run too, so one that was killed after it still lacks what is recorded here.
    if run.info.status == "FINISHED" and "cost/parameters" in run.data.metrics:
        return
    with RunLogger(tracked.uri, tracked.run_id, Path(tracked.outbox)) as logger:
        for epoch, metrics in enumerate(result.history if curves else ()):
            logger.log_metrics(metrics, step=epoch)
        evaluation = evaluation_of(spec, runs) if spec.evaluate else None
        numbers = result_metrics(result, evaluation) | _task_metrics(spec, runs)
        logger.log_metrics(numbers, step=len(result.history) - 1)


def _task_metrics(spec: RunSpec, runs: RunsFolder) -> dict[str, float]:
    """Errors and contributions on the test parts of the tasks of a stream: `task/E01/test/mpjpe_mm`."""
    return {
        f"task/{task.name}/{name}": value
        for task in spec.tested_on
        for name, value in report_metrics(evaluation_on(spec, task, runs).report, "test").items()
        if name == "test/mpjpe_mm" or name.startswith("test/shapley/")
    } | {
        key: value
        for name in spec.alignments
        for key, value in load_aligned(runs.folder(spec) / name)
        .metrics(name.replace(f"aligned-{spec.select}", "test", 1))
        .items()
    }


def result_metrics(result: RunResult, evaluation: Evaluation | None) -> dict[str, float]:
    """Costs and test numbers of a run under their tracking names: `cost/*`, `test/*`."""
    numbers = {f"cost/{name}": value for name, value in result.costs().items()}
    if evaluation is not None:
        numbers |= report_metrics(evaluation.report, "test")
        numbers["test/pa_mpjpe_mm"] = evaluation.pa_mpjpe_mm
    return numbers
