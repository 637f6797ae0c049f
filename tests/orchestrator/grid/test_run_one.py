"""A run is trained and tested once, however many grids need it and however often it is interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipose.balancing.shapley.statistics import DivergedError
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.grid import launch, run_one
from equipose.orchestrator.grid.run_one import (
    RunsFolder,
    evaluation_of,
    result_metrics,
    result_of,
    work_on,
)
from equipose.orchestrator.grid.run_spec import RESULT, RunResult, RunSpec
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracking, create_run
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.training.config import TrainConfig

EPOCHS = 3


class Killed(BaseException):
    """Stands for the death of the process: nothing catches it."""


def runs_at(root: Path) -> RunsFolder:
    return RunsFolder(root=root, resources=Resources())


@pytest.fixture
def spec(small_run: TrainConfig) -> RunSpec:
    return RunSpec(name="awc s0", config=small_run)


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return runs_at(tmp_path / "cells")


@pytest.fixture(scope="module")
def undisturbed(
    small_run: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunsFolder, RunResult]:
    runs = runs_at(tmp_path_factory.mktemp("undisturbed"))
    return runs, work_on(RunSpec(name="awc s0", config=small_run), runs)


@pytest.fixture
def ended(undisturbed: tuple[RunsFolder, RunResult], runs: RunsFolder) -> RunsFolder:
    """A folder of its own with the finished run in it."""
    shutil.copytree(undisturbed[0].root, runs.root)
    return runs


def dies_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, after: bool) -> None:
    """Die before or after the n-th call of a function, counted from 1."""
    function, calls = getattr(owner, name), [0]

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and not after:
            raise Killed
        value = function(*args, **kwargs)
        if calls[0] == call:
            raise Killed
        return value

    monkeypatch.setattr(owner, name, dying)


def forbid(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        pytest.fail(f"{name} is called again")

    monkeypatch.setattr(owner, name, refuse)


def untimed(history: tuple[dict[str, float], ...]) -> list[dict[str, float]]:
    return [
        {name: value for name, value in epoch.items() if not name.startswith(("time/", "memory/"))}
        for epoch in history
    ]


def assert_equal(one: RunResult, other: RunResult) -> None:
    """Bit for bit: curves, weights of both checkpoints, and what was found on the test part."""
    assert untimed(one.history) == untimed(other.history)
    assert (one.key, one.fingerprint, one.parameters) == (other.key, other.fingerprint, other.parameters)
    for which in ("best", "last"):
        models = [checkpoints.load(result.folder / which)["model"] for result in (one, other)]
        assert models[0].keys() == models[1].keys()
        assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    tables = [(result.folder / "test-best" / "frames.parquet").read_bytes() for result in (one, other)]
    assert tables[0] == tables[1]


def files(folder: Path) -> dict[str, int]:
    """Every file of a run with its time of change; the lock is touched whenever it is taken."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


def test_what_a_run_leaves(undisturbed: tuple[RunsFolder, RunResult], spec: RunSpec) -> None:
    runs, result = undisturbed
    folder = runs.folder(spec)
    assert {path.name for path in folder.iterdir()} == {"best", "last", "test-best", RESULT, ".lock"}
    assert result_of(spec, runs) == result == RunResult.load(folder)
    assert (len(result.history), result.key, result.provenance) == (EPOCHS, runs.key(spec), "simulated data")
    last, best = (checkpoints.load(folder / which) for which in ("last", "best"))
    assert last["epoch"] == EPOCHS
    assert best["epoch"] == last["best_epoch"] + 1
    assert result.validation_mm == min(epoch["val/mpjpe_mm"] for epoch in result.history)
    assert {f"grad/{name}" for name in spec.config.model.modalities} <= result.best.keys()


def test_an_ended_run_is_left_alone(
    ended: RunsFolder, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(ended.folder(spec))
    forbid(monkeypatch, launch, "run_epochs")
    forbid(monkeypatch, run_one, "evaluate")
    assert work_on(spec, ended) == RunResult.load(ended.folder(spec))
    assert files(ended.folder(spec)) == before


@pytest.mark.parametrize(
    ("owner", "name", "call", "after"),
    [
        (CheckpointFolder, "save", 1, False),
        (CheckpointFolder, "save", 2, True),
        (checkpoints, "save", 2, True),
    ],
    ids=["in epoch 1", "after epoch 2", "before old checkpoints are removed"],
)
def test_interrupted_training_gives_the_same(
    undisturbed: tuple[RunsFolder, RunResult],
    runs: RunsFolder,
    spec: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
    after: bool,
) -> None:
    with monkeypatch.context() as patch:
        dies_in(patch, owner, name, call, after=after)
        with pytest.raises(Killed):
            work_on(spec, runs)
    assert result_of(spec, runs) is None
    assert_equal(work_on(spec, runs), undisturbed[1])


@pytest.fixture(scope="module")
def trained(small_run: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept runs, one of which was killed when its last epoch had been kept."""
    runs = runs_at(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        dies_in(patch, CheckpointFolder, "save", EPOCHS, after=True)
        with pytest.raises(Killed):
            work_on(RunSpec(name="awc s0", config=small_run), runs)
    return runs.root


@pytest.mark.parametrize(
    ("owner", "name", "call", "after"),
    [
        (shutil, "copytree", 1, True),
        (shutil, "copytree", 2, True),
        (RunResult, "save", 1, False),
        (RunResult, "save", 1, True),
        (shutil, "rmtree", 1, True),
        (run_one, "evaluate", 1, False),
        (run_one, "save_evaluation", 1, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_interrupted_after_training_does_not_train_again(
    undisturbed: tuple[RunsFolder, RunResult],
    trained: Path,
    runs: RunsFolder,
    spec: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
    after: bool,
) -> None:
    shutil.copytree(trained, runs.root)

    def refuse(*args: Any) -> None:
        pytest.fail("an epoch is trained again")

    monkeypatch.setattr(CheckpointFolder, "save", refuse)
    with monkeypatch.context() as patch:
        dies_in(patch, owner, name, call, after=after)
        with pytest.raises(Killed):
            work_on(spec, runs)
    assert_equal(work_on(spec, runs), undisturbed[1])
    assert not (runs.folder(spec) / "train").exists()


def test_a_damaged_newest_checkpoint_costs_an_epoch(
    undisturbed: tuple[RunsFolder, RunResult],
    runs: RunsFolder,
    spec: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        dies_in(patch, CheckpointFolder, "save", 2, after=True)
        with pytest.raises(Killed):
            work_on(spec, runs)
    newest = CheckpointFolder(runs.folder(spec) / "train").newest / checkpoints.FILE
    newest.write_bytes(newest.read_bytes()[:1000])
    assert_equal(work_on(spec, runs), undisturbed[1])


def test_settings_that_diverge_are_the_worst_of_tuning(runs: RunsFolder, spec: RunSpec) -> None:
    config = replace(spec.config, optimizer=replace(spec.config.optimizer, lr=1e30), epochs=1)
    tuning = RunSpec(name="tune-4 awc", config=config, evaluate=False, stage="tuning")
    result = work_on(tuning, runs)
    assert result.validation_mm == float("inf"), "so it is never chosen"
    assert result_of(tuning, runs) == result
    assert result.costs()["parameters"] > 0


def test_a_tested_run_that_diverges_fails(runs: RunsFolder, spec: RunSpec) -> None:
    config = replace(spec.config, optimizer=replace(spec.config.optimizer, lr=1e30), epochs=1)
    with pytest.raises(DivergedError, match="the model has diverged"):
        work_on(replace(spec, config=config), runs)


def test_tuning_does_not_read_the_test_part(
    ended: RunsFolder, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(ended.folder(spec) / "test-best")
    tuning = replace(spec, evaluate=False, stage="tuning")
    forbid(monkeypatch, run_one, "evaluate")
    assert result_of(spec, ended) is None, "trained, but not tested"
    assert result_of(tuning, ended) is not None
    work_on(tuning, ended)
    assert not (ended.folder(spec) / "test-best").exists()


def test_best_and_last_are_tested_apart_and_trained_once(
    ended: RunsFolder, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = replace(spec, select="last")
    assert result_of(last, ended) is None
    before = files(ended.folder(spec))
    forbid(monkeypatch, launch, "run_epochs")
    work_on(last, ended)
    now = files(ended.folder(spec))
    assert {name: now[name] for name in before} == before
    assert result_of(last, ended) is not None
    assert (ended.folder(spec) / "test-last").is_dir()


def test_processes_that_want_the_same_run_wait(
    undisturbed: tuple[RunsFolder, RunResult],
    runs: RunsFolder,
    spec: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock is the operating system's, so it holds between two openings of the file in one process too."""
    trained = []
    run_epochs = launch.run_epochs

    def counted(*args: Any) -> None:
        trained.append(1)
        run_epochs(*args)

    monkeypatch.setattr(launch, "run_epochs", counted)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: work_on(spec, runs), range(2))
    assert len(trained) == 1
    assert one == two
    assert_equal(one, undisturbed[1])


@pytest.mark.parametrize("when", ["in training", "before the test"])
def test_frames_may_move_meanwhile(
    undisturbed: tuple[RunsFolder, RunResult],
    runs: RunsFolder,
    spec: RunSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(spec.config.data.store, here)

    def at(store: Path) -> RunSpec:
        return replace(spec, config=replace(spec.config, data=replace(spec.config.data, store=str(store))))

    owner, name = (CheckpointFolder, "save") if when == "in training" else (run_one, "evaluate")
    with monkeypatch.context() as patch:
        dies_in(patch, owner, name, 1, after=when == "in training")
        with pytest.raises(Killed):
            work_on(at(here), runs)
    here.rename(there)
    assert_equal(work_on(at(there), runs), undisturbed[1])


def test_numbers_for_the_tracking_server(undisturbed: tuple[RunsFolder, RunResult], spec: RunSpec) -> None:
    runs, result = undisturbed
    evaluation = evaluation_of(spec, runs)
    numbers = result_metrics(result, evaluation)
    assert numbers["test/mpjpe_mm"] == evaluation.mpjpe_mm
    assert numbers["test/pa_mpjpe_mm"] == evaluation.pa_mpjpe_mm
    assert numbers["cost/parameters"] == result.parameters > 0
    assert {name.partition("/")[0] for name in result_metrics(result, None)} == {"cost"}


@pytest.fixture
def tracked(tracking: TrackingServer, tmp_path: Path) -> Tracking:
    parent = create_run(tracking.uri, "cells", "parent")
    return Tracking(
        uri=tracking.uri,
        experiment="cells",
        parent_run=parent,
        tags={"comparison": "c-001"},
        outbox=str(tmp_path / "spool"),
    )


def only_child(tracked: Tracking) -> Any:
    mlflow = client(tracked.uri)
    experiment = mlflow.get_experiment_by_name(tracked.experiment).experiment_id
    (run,) = mlflow.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{tracked.parent_run}'")
    return run


@pytest.mark.system
@pytest.mark.parametrize("call", [1, 2], ids=["while testing", "while recording"])
def test_what_is_recorded_last_arrives_though_training_had_ended_the_run(
    runs: RunsFolder, spec: RunSpec, tracked: Tracking, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    runs = replace(runs, tracking=tracked)
    with monkeypatch.context() as patch:
        target: tuple[Any, str] = (run_one, "evaluate") if call == 1 else (run_one, "result_metrics")
        dies_in(patch, *target, 1, after=False)
        with pytest.raises(Killed):
            work_on(spec, runs)
    assert "cost/parameters" not in only_child(tracked).data.metrics
    result = work_on(spec, runs)
    check_child(only_child(tracked), tracked, spec, result, runs)


@pytest.mark.system
def test_a_run_of_another_grid_shows_its_curves_here_too(
    ended: RunsFolder, spec: RunSpec, tracked: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = replace(ended, tracking=tracked)
    result = work_on(spec, ended)
    check_child(only_child(tracked), tracked, spec, result, ended)

    def refuse(*args: Any) -> Callable[..., None]:
        pytest.fail("a recorded spec is recorded again")

    monkeypatch.setattr(RunLogger, "log_metrics", refuse)
    work_on(spec, ended)


def check_child(run: Any, tracked: Tracking, spec: RunSpec, result: RunResult, runs: RunsFolder) -> None:
    """The run has every point of the curves once, costs, test numbers and tags."""
    assert run.info.status == "FINISHED"
    assert run.info.run_name == spec.name
    mlflow = client(tracked.uri)
    points = mlflow.get_metric_history(run.info.run_id, "val/mpjpe_mm")
    expected = [(step, epoch["val/mpjpe_mm"]) for step, epoch in enumerate(result.history)]
    assert sorted((point.step, point.value) for point in points) == expected
    numbers = result_metrics(result, evaluation_of(spec, runs))
    assert {name: run.data.metrics[name] for name in numbers} == pytest.approx(numbers, nan_ok=True)
    wanted = {"comparison": "c-001", "stage": "test", "method": "awc", "seed": "0", "fusion": "concat"}
    assert {name: run.data.tags[name] for name in wanted} == wanted
    assert run.data.tags["cell"] == runs.key(spec)
