"""What starts again on Ray and what does not: each attempt writes a line, and the lines are counted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from equipose.balancing.shapley.statistics import DivergedError
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.failures import FailedRunsError, FailedTrainingError
from equipose.orchestrator.grid import run_all as grid
from equipose.orchestrator.grid.run_one import RunsFolder, work_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.ray_train import run as runs
from equipose.orchestrator.sweep.trial import tried_once
from equipose.orchestrator.training.config import TrainConfig

system = [pytest.mark.system, pytest.mark.timeout(400), pytest.mark.usefixtures("ray_cluster")]
Attempts = Callable[[], int]


@pytest.fixture
def count(tmp_path: Path) -> tuple[Path, Attempts]:
    """File to which attempts add a line, and the number of lines."""
    path = tmp_path / "attempts"
    return path, lambda: len(path.read_text().splitlines())


def dies(path: Path, times: int) -> Callable[..., Any]:
    """A function whose process is killed (signal 9) in its first `times` attempts."""

    def run(*arguments: Any) -> Any:  # no name of this file in it: it travels to a worker by itself
        with path.open("a") as file:
            file.write("once\n")
        if len(path.read_text().splitlines()) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"attempts": float(times + 1)}

    return run


def raises(path: Path, error: Exception) -> Callable[..., Any]:
    """A function that raises."""

    def run(*arguments: Any) -> Any:
        with path.open("a") as file:
            file.write("once\n")
        raise error

    return run


def train(config: TrainConfig, folder: Path, retries: int) -> Any:
    resources = Resources(cpus_per_worker=0.5, max_failures=retries)
    return runs.run_training(config, name="run", storage=folder, resources=resources)


class TestOnRay:
    """One local Ray for all of them."""

    pytestmark = system

    def test_a_run_that_raises_what_it_would_raise_again_is_tried_once(
        self,
        small_run: TrainConfig,
        count: tuple[Path, Attempts],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(runs, "_train_worker", raises(count[0], ValueError("lr is 0; raise it")))
        with pytest.raises(FailedTrainingError, match=r"run run failed \(lr is 0; raise it\)") as failed:
            train(small_run, tmp_path, retries=3)
        assert count[1]() == 1
        assert failed.value.lasting
        assert isinstance(failed.value.cause, ValueError)

    def test_a_run_whose_worker_dies_is_tried_again(
        self,
        small_run: TrainConfig,
        count: tuple[Path, Attempts],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(runs, "_train_worker", dies(count[0], times=1))
        assert train(small_run, tmp_path, retries=1).return_value == {"attempts": 2.0}
        assert count[1]() == 2

    @pytest.mark.slow
    def test_but_not_for_ever(
        self,
        small_run: TrainConfig,
        count: tuple[Path, Attempts],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(runs, "_train_worker", dies(count[0], times=9))
        with pytest.raises(FailedTrainingError, match="its process died"):
            train(small_run, tmp_path, retries=1)
        assert 2 <= count[1]() <= 2 * (1 + runs.RESTARTS), "more where a worker died before it trained"
        assert ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"], "its cores are free again"

    @pytest.mark.parametrize(
        ("times", "attempts"),
        [(1, 2), pytest.param(9, 1 + grid.RETRIES, marks=pytest.mark.slow)],
        ids=["dies once", "keeps dying"],
    )
    def test_a_run_whose_process_dies_is_retried_but_not_forever(
        self,
        small_run: TrainConfig,
        count: tuple[Path, Attempts],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        times: int,
        attempts: int,
    ) -> None:
        monkeypatch.setattr(grid, "_work_on", dies(count[0], times))
        runs_folder = RunsFolder(root=tmp_path / "cells", resources=Resources(cpus_per_worker=0.5))
        specs = [RunSpec(name="one", config=small_run)]
        if times < attempts:
            grid.run_grid(specs, runs_folder, 1, on_change)
        else:
            with pytest.raises(FailedRunsError, match=r"1 run failed \(one: its process died"):
                grid.run_grid(specs, runs_folder, 1, on_change)
        assert count[1]() == attempts

    def test_a_run_that_raises_is_tried_once(
        self,
        small_run: TrainConfig,
        count: tuple[Path, Attempts],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(grid, "_work_on", raises(count[0], OSError("no such device")))
        runs_folder = RunsFolder(root=tmp_path / "cells", resources=Resources(cpus_per_worker=0.5))
        with pytest.raises(FailedRunsError, match="OSError: no such device"):
            grid.run_grid([RunSpec(name="one", config=small_run)], runs_folder, 1, on_change)
        assert count[1]() == 1

    @pytest.mark.slow
    def test_divergence_of_two_ranks_is_what_it_is_in_one_process(
        self, small_run: TrainConfig, tmp_path: Path
    ) -> None:
        wild = replace(small_run, epochs=1, optimizer=replace(small_run.optimizer, lr=1e30))
        two = RunsFolder(root=tmp_path / "two", resources=Resources(workers=2, cpus_per_worker=0.5))
        ranks = work_on(RunSpec(name="tried", config=wild, evaluate=False, workers=2), two)
        alone = work_on(
            RunSpec(name="tried", config=wild, evaluate=False), replace(two, root=tmp_path / "one")
        )
        assert ranks.history == alone.history
        assert ranks.validation_mm == float("inf")
        with pytest.raises(DivergedError):
            work_on(RunSpec(name="compared", config=replace(wild, seed=1), workers=2), two)


def on_change(spec: RunSpec, state: str, result: RunResult | None) -> None:
    """Changes are ignored."""


def fail(trained: list[bool], error: Exception) -> None:
    """A training that ends with an error."""
    trained.append(True)
    raise error


def test_a_trial_that_was_given_up_is_not_trained_again(tmp_path: Path) -> None:
    note = tmp_path / "given-up" / "trial-000"
    failed = FailedTrainingError("run trial-000 failed")
    failed.lasting, failed.cause = True, ValueError("lr is 0")
    trained: list[bool] = []
    for _ in range(2):
        with pytest.raises(FailedTrainingError), tried_once(note):
            fail(trained, failed)
    assert trained == [True]
    with pytest.raises(FailedTrainingError, match="ValueError: lr is 0"), tried_once(note):
        pass


def test_a_trial_that_may_do_better_is_trained_again(tmp_path: Path) -> None:
    note = tmp_path / "given-up" / "trial-000"
    trained: list[bool] = []
    for _ in range(2):
        with pytest.raises(FailedTrainingError), tried_once(note):
            fail(trained, FailedTrainingError("its controller died"))
    assert trained == [True, True]
