"""Ray Train runs whose worker is killed, that are started again, or that have two ranks."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from balancing.awc import AWC
from models.build import ModelConfig
from orchestrator import checkpoints
from orchestrator.assembly import build_training
from orchestrator.config import DataConfig, TrainConfig
from orchestrator.loop import Training, fit
from orchestrator.mlflow_client import client
from orchestrator.runs import Resources, best_checkpoint, run_training
from orchestrator.session import LOOPBACK, SessionConfig, ray_session
from orchestrator.tracking import Tracked, create_run
from orchestrator.tracking_server import TrackingServer
from pipelines.batches import BatchConfig

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

Metrics = list[dict[str, float]]
Below = Callable[[int], dict[int, str]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_session(SessionConfig(num_cpus=2)):
            yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a Ray worker with one CPU; sums in another order differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def config(store_path: Path) -> TrainConfig:
    """6 epochs of AWC, inside its window for the first 4, with batch statistics and dropout."""
    batch = BatchConfig(batch_size=24, lidar_points=16, mmwave_points=8)
    return TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.1),
        method=AWC.Config(window=4),
        epochs=6,
    )


def untimed(metrics: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if not key.startswith(("time/", "memory/"))}


def reference(config: TrainConfig) -> tuple[Training, Metrics]:
    """The same run in this process, never interrupted."""
    training, _ = build_training(config)
    return training, [untimed(result.metrics) for result in fit(training)]


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


@pytest.mark.usefixtures("cluster", "one_thread")
def test_killed_run_equals_uninterrupted(
    config: TrainConfig, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    run_id = create_run(tracking.uri, "faults", "killed")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, spool=str(tmp_path / "spool"))

    def run() -> Any:
        return run_training(
            config, name="killed", storage=tmp_path / "train", resources=Resources(), tracked=tracked
        )

    killer = Killer(tmp_path / "train" / "killed", [2], processes_below)
    killer.start()
    result = run()
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1, "the run ended before it was killed"

    expected, metrics = reference(config)
    state = checkpoints.load(Path(result.checkpoint.path))
    assert_equal(state["model"], expected.model.state_dict())
    assert_equal(state["method"], expected.method.state_dict())
    assert_equal(state["optimizer"], expected.optimizer.state_dict())
    assert_equal(state["contributions"], expected.contributions)
    assert (state["best_epoch"], state["epoch"]) == (expected.best_epoch, config.epochs)
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
@pytest.mark.usefixtures("cluster", "one_thread")
def test_damaged_newest_checkpoint_costs_epochs_but_no_numbers(
    config: TrainConfig, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    run_id = create_run(tracking.uri, "faults", "damaged")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, spool=str(tmp_path / "spool"))
    folder = tmp_path / "train" / "damaged"
    killer = Killer(folder, [3], processes_below, first=damage_newest)
    killer.start()
    result = run_training(
        config, name="damaged", storage=tmp_path / "train", resources=Resources(), tracked=tracked
    )
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1, "the run ended before it was killed"
    assert_undisturbed(result, config)
    _, metrics = reference(config)
    assert history(tracking, run_id) == by_key(metrics)
    note = client(tracking.uri).get_run(run_id).data.tags["recovered"]
    assert "going on from the one after epoch" in note
    assert not list(folder.glob(".equipose-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster", "one_thread")
def test_half_a_list_of_checkpoints_costs_nothing(config: TrainConfig, tmp_path: Path) -> None:
    def run(epochs: int) -> Any:
        shortened = replace(config, epochs=epochs)
        return run_training(shortened, name="list", storage=tmp_path, resources=Resources())

    run(3)
    before = {path.name for path in (tmp_path / "list").glob("checkpoint_*")}
    damage_list(tmp_path / "list")
    result = run(6)
    assert_undisturbed(result, config)
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


def history(server: TrackingServer, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Metric -> (step, value) of every point in MLflow, without timings."""
    mlflow = client(server.uri)
    keys = untimed(mlflow.get_run(run_id).data.metrics)
    return {key: [(p.step, p.value) for p in mlflow.get_metric_history(run_id, key)] for key in keys}


def by_key(metrics: Metrics) -> dict[str, list[tuple[int, float]]]:
    """What `history` must be after these epochs."""
    found: dict[str, list[tuple[int, float]]] = {}
    for epoch, values in enumerate(metrics):
        for key, value in values.items():
            found.setdefault(key, []).append((epoch, value))
    return found


def assert_equal(one: Any, other: Any, same: Callable[[Any, Any], None] | None = None, at: str = "") -> None:
    """Compare nested states; tensors bit for bit unless `same` says otherwise."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_equal(one[key], other[key], same, f"{at}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), at
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, same, f"{at}[{i}]")
    elif isinstance(one, torch.Tensor):
        (same or (lambda a, b: torch.testing.assert_close(a, b, rtol=0, atol=0, msg=at)))(one, other)
    else:
        assert one == other, at


def test_two_ranks_on_ray_train_equal_one_process(cluster: None, config: TrainConfig, tmp_path: Path) -> None:
    assert ray.util.get_node_ip_address() == LOOPBACK
    config = replace(
        config, epochs=2, dtype="float64", model=ModelConfig(preset="tiny", norm="layer", dropout=0.0)
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
