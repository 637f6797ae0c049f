"""Ray Train runs whose worker is killed, that are started again, or that have two ranks."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from same_runs import assert_equal, by_key, history, reference, untimed

from equipose.models.build import ModelConfig
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.host import LOOPBACK
from equipose.orchestrator.ray_train.run import Resources, best_checkpoint, run_training
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import Tracked, create_run
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.training.config import TrainConfig

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

Below = Callable[[int], dict[int, str]]


class Killer(threading.Thread):
    """Kills the training worker (signal 9) every time that so many checkpoints have been there."""

    def __init__(
        self, folder: Path, counts: list[int], below: Below, first: Callable[[Path], None] | None = None
    ) -> None:
        """`first` is done to the run's folder once the worker is dead."""
        super().__init__(daemon=True)
        self.folder, self.counts, self.below, self.first = folder, list(counts), below, first
        self.killed: list[int] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Watch until the run is over."""
        seen: set[str] = set()
        while self.counts and not self.over.is_set():
            seen |= {path.name for path in self.folder.glob("checkpoint_*")}
            if len(seen) >= self.counts[0]:
                self.kill()
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the worker that is not dying yet."""
        commands = self.below(os.getpid()).items()
        workers = [pid for pid, title in commands if "TrainWorker" in title and pid not in self.killed]
        if workers:
            os.kill(workers[0], signal.SIGKILL)
            if self.first:
                self.first(self.folder)
            self.killed.append(workers[0])
            self.counts.pop(0)


@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_killed_run_equals_uninterrupted(
    fault_run: TrainConfig, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    run_id = create_run(tracking.uri, "faults", "killed")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, outbox=str(tmp_path / "spool"))

    def run() -> Any:
        return run_training(
            fault_run, name="killed", storage=tmp_path / "train", resources=Resources(), tracked=tracked
        )

    killer = Killer(tmp_path / "train" / "killed", [2], processes_below)
    killer.start()
    result = run()
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1, "the run ended before it was killed"

    expected, metrics = reference(fault_run)
    state = checkpoints.load(Path(result.checkpoint.path))
    assert_equal(state["model"], expected.model.state_dict())
    assert_equal(state["method"], expected.method.state_dict())
    assert_equal(state["optimizer"], expected.optimizer.state_dict())
    assert_equal(state["contributions"], expected.contributions)
    assert (state["best_epoch"], state["epoch"]) == (expected.best_epoch, fault_run.epochs)
    assert untimed(result.return_value) == metrics[-1]
    assert history(tracking, run_id) == by_key(metrics)
    best = checkpoints.load(best_checkpoint(result))
    assert best["history"][-1]["val/mpjpe_mm"] == expected.best_mpjpe_mm

    again = run()
    assert untimed(again.return_value) == metrics[-1], "a finished run says once more what came of it"
    assert history(tracking, run_id) == by_key(metrics)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"


def damage_newest(folder: Path) -> None:
    """Cut the checkpoint that the run would go on from in half, once what was under way is in the list."""
    time.sleep(1.0)
    listed = json.loads((folder / "checkpoint_manager_snapshot.json").read_text())
    path = folder / listed["latest_checkpoint_result"]["checkpoint_dir_name"] / "state.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_list(folder: Path) -> None:
    """As Ray Train leaves its list of checkpoints when it is killed while writing it."""
    path = folder / "checkpoint_manager_snapshot.json"
    path.write_text(path.read_text()[:200])


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_damaged_newest_checkpoint_costs_epochs_but_no_numbers(
    fault_run: TrainConfig, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    run_id = create_run(tracking.uri, "faults", "damaged")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, outbox=str(tmp_path / "spool"))
    folder = tmp_path / "train" / "damaged"
    killer = Killer(folder, [3], processes_below, first=damage_newest)
    killer.start()
    result = run_training(
        fault_run, name="damaged", storage=tmp_path / "train", resources=Resources(), tracked=tracked
    )
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1, "the run ended before it was killed"
    assert_undisturbed(result, fault_run)
    _, metrics = reference(fault_run)
    assert history(tracking, run_id) == by_key(metrics)
    note = client(tracking.uri).get_run(run_id).data.tags["recovered"]
    assert "continuing from the one after epoch" in note
    assert not list(folder.glob(".equipose-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_half_a_list_of_checkpoints_costs_nothing(fault_run: TrainConfig, tmp_path: Path) -> None:
    def run(epochs: int) -> Any:
        shortened = replace(fault_run, epochs=epochs)
        return run_training(shortened, name="list", storage=tmp_path, resources=Resources())

    run(3)
    before = {path.name for path in (tmp_path / "list").glob("checkpoint_*")}
    damage_list(tmp_path / "list")
    result = run(6)
    assert_undisturbed(result, fault_run)
    after = {path.name for path in (tmp_path / "list").glob("checkpoint_*") if path.is_dir()}
    assert not after & before, "what the list does not name is left behind"


def assert_undisturbed(result: Any, config: TrainConfig) -> None:
    """The last and the best checkpoint and the metrics are those of an uninterrupted run, bit for bit."""
    expected, metrics = reference(config)
    state = checkpoints.load(Path(result.checkpoint.path))
    assert_equal(state["model"], expected.model.state_dict())
    assert_equal(state["optimizer"], expected.optimizer.state_dict())
    assert_equal(state["method"], expected.method.state_dict())
    assert untimed(result.return_value) == metrics[-1]
    assert [untimed(epoch) for epoch in state["history"]] == metrics
    best = checkpoints.load(best_checkpoint(result))
    assert best["history"][-1]["val/mpjpe_mm"] == expected.best_mpjpe_mm


def test_two_ranks_on_ray_train_equal_one_process(
    ray_cluster: None, fault_run: TrainConfig, tmp_path: Path
) -> None:
    assert ray.util.get_node_ip_address() == LOOPBACK
    config = replace(
        fault_run, epochs=2, dtype="float64", model=ModelConfig(preset="tiny", norm="layer", dropout=0.0)
    )
    resources = Resources(workers=2, cpus_per_worker=0.5)
    result = run_training(config, name="two", storage=tmp_path, resources=resources)
    expected, metrics = reference(config)
    assert untimed(result.return_value) == pytest.approx(metrics[-1], rel=1e-9)
    assert_equal(
        checkpoints.load(Path(result.checkpoint.path))["model"],
        expected.model.state_dict(),
        lambda a, b: torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10),
    )
