"""Runs on Ray: a killed process is restarted to the same numbers, and a failing run costs no other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from same_runs import untimed

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.failures import FailedRunsError
from equipose.orchestrator.grid import run_all
from equipose.orchestrator.grid.run_all import run_grid
from equipose.orchestrator.grid.run_one import RunsFolder, result_of, work_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.training.config import TrainConfig

system = pytest.mark.system
Below = Callable[[int], dict[int, str]]


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return RunsFolder(root=tmp_path / "cells", resources=Resources())


class Changes:
    """Remembers every change it is called with."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def __call__(self, spec: RunSpec, state: str, result: RunResult | None) -> None:
        assert (result is not None) == (state in ("kept", "done"))
        self.heard.append((spec.name, state))


class Killer(threading.Thread):
    """Kills the process that works on a run (signal 9) once it has kept its second epoch."""

    def __init__(self, folder: Path, below: Below) -> None:
        super().__init__(daemon=True)
        self.folder, self.below = folder, below
        self.killed: list[int] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Watch until it has happened or the grid is through."""
        while not self.killed and not self.over.is_set():
            if (self.folder / "train" / "checkpoint_00002" / checkpoints.FILE).exists():
                found = [pid for pid, title in self.below(os.getpid()).items() if "ray::_work_on" in title]
                for pid in found[:1]:
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
            time.sleep(0.005)


@system
@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_a_killed_process_is_started_again(
    small_run: TrainConfig,
    runs: RunsFolder,
    processes_below: Below,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_all, "LOOK_SECONDS", 0.02)
    spec = RunSpec(name="long", config=replace(small_run, epochs=12))
    killer, changes, trained = Killer(runs.folder(spec), processes_below), Changes(), list[int]()
    killer.start()
    found = run_grid([spec], runs, 2, changes, lambda spec, epochs: trained.append(epochs))["long"]
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1, "the run ended before it was killed"
    assert changes.heard == [("long", "waiting"), ("long", "running"), ("long", "done")]
    assert trained == sorted({*trained}), "each is told once"
    assert 2 <= len(trained) <= 12
    alone = work_on(spec, replace(runs, root=tmp_path / "alone"))
    assert [untimed(epoch) for epoch in found.history] == [untimed(epoch) for epoch in alone.history]
    one, other = (checkpoints.load(result.folder / "last")["model"] for result in (found, alone))
    assert all(torch.equal(one[name], other[name]) for name in one)


@system
@pytest.mark.usefixtures("ray_cluster")
def test_a_failing_run_costs_no_other_and_equal_ones_are_trained_once(
    small_run: TrainConfig, runs: RunsFolder
) -> None:
    short = replace(small_run, epochs=1)
    specs = [
        RunSpec(name="one", config=short, evaluate=False),
        RunSpec(name="diverging", config=replace(short, optimizer=replace(short.optimizer, lr=1e30))),
        RunSpec(name="the same", config=short),
        RunSpec(name="other", config=replace(short, seed=1), evaluate=False),
    ]
    changes = Changes()
    with pytest.raises(
        FailedRunsError, match=r"1 run failed \(diverging: .*the model has diverged"
    ) as failed:
        run_grid(specs, runs, 2, changes)
    assert set(failed.value.errors) == {"diverging"}
    assert "The others are kept: fix the cause, then run the same command with --resume" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert [result_of(spec, runs) is not None for spec in specs] == [True, False, True, True]
    assert len(list(runs.root.glob("*/result.json"))) == 2
    assert ("diverging", "failed") in changes.heard
    assert [name for name, state in changes.heard if state == "waiting"] == [spec.name for spec in specs]

    again = Changes()
    kept = [spec for spec in specs if spec.name != "diverging"]
    results = run_grid(kept, runs, 2, again)
    assert list(results) == ["one", "the same", "other"]
    assert again.heard == [(name, "kept") for name in results]
    assert results["one"] == results["the same"]


def test_names_must_differ(small_run: TrainConfig, runs: RunsFolder) -> None:
    spec = RunSpec(name="twice", config=small_run)
    with pytest.raises(ValueError, match=r"runs \['twice'\] are there twice"):
        run_grid([spec, replace(spec, config=replace(small_run, seed=1))], runs, 2, Changes())
