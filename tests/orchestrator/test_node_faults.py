"""A whole node is killed while it trains: the run goes on elsewhere and ends with the same numbers."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import ray
import torch
from ray._private import ray_constants
from ray.cluster_utils import Cluster

from balancing.awc import AWC
from models.build import ModelConfig
from orchestrator import checkpoints
from orchestrator.assembly import build_training
from orchestrator.config import DataConfig, TrainConfig
from orchestrator.loop import fit
from orchestrator.mlflow_client import client
from orchestrator.runs import Resources, run_training
from orchestrator.server_process import alive
from orchestrator.session import LOOPBACK, QUIET
from orchestrator.tracking import Tracked, create_run
from orchestrator.tracking_server import TrackingServer
from pipelines.batches import BatchConfig

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(900)]

Below = Callable[[int], dict[int, str]]
NODE = {"node_ip_address": LOOPBACK, "object_store_memory": 100 * 2**20}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without cores, so that all training happens on the nodes that are added to it."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for key, value in QUIET.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")  # others' memory is none of this test's business
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # as in `start_local_ray`: loopback only
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short, for the paths of sockets
    monkeypatch.setenv("RAY_TMPDIR", folder)  # not where others look for the cluster of this machine
    # A dead node is noticed by missed answers; the default waits for more of them than a test needs.
    config = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "_system_config": config, "include_dashboard": False, **NODE},
    )
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a Ray worker with one CPU; sums in another order differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class NodeKiller(threading.Thread):
    """Kills the node that trains (its raylet, signal 9) once so many checkpoints have been there."""

    def __init__(self, raylets: list[int], below: Below, folder: Path, checkpoints: int) -> None:
        super().__init__(daemon=True)
        self.raylets, self.below, self.folder, self.checkpoints = raylets, below, folder, checkpoints
        self.over = threading.Event()
        self.killed = 0
        self.times: list[float] = []
        """Of the kill and of every checkpoint since, monotonic s."""
        self.dead: dict[int, str] = {}

    @property
    def pause(self) -> float:
        """Longest time without a checkpoint since the kill, s; workers outlive their raylet by an epoch."""
        return max(later - earlier for earlier, later in pairwise(self.times))

    def run(self) -> None:
        """Watch until the run is over."""
        seen: set[str] = set()
        while not self.over.is_set():
            found = {path.name for path in self.folder.glob("checkpoint_*")}
            if self.killed and found - seen:
                self.times.append(time.monotonic())
            seen |= found
            if not self.killed and len(seen) >= self.checkpoints:
                self.kill()
            time.sleep(0.02)

    def kill(self) -> None:
        """The raylet; the kernel and Ray take its workers along."""
        for raylet in self.raylets:
            below = self.below(raylet)
            if any("TrainWorker" in title for title in below.values()):
                os.kill(raylet, signal.SIGKILL)
                self.killed, self.times, self.dead = raylet, [time.monotonic()], {raylet: "raylet", **below}
                return


def untimed(metrics: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if not key.startswith(("time/", "memory/"))}


def remaining(pids: dict[int, str], patience: float) -> dict[int, str]:
    """Those that still run after so many seconds; Ray's agents take a while to notice that they are alone."""
    deadline = time.monotonic() + patience
    while (left := {pid: name for pid, name in pids.items() if alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


@pytest.mark.usefixtures("one_thread")
def test_killed_node_costs_nothing(
    cluster: Cluster, store_path: Path, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    batch = BatchConfig(batch_size=24, lidar_points=16, mmwave_points=8)
    config = TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.1),
        method=AWC.Config(window=4),
        epochs=10,
    )
    run_id = create_run(tracking.uri, "faults", "node")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, spool=str(tmp_path / "spool"))
    nodes = [cluster.add_node(num_cpus=1, **NODE) for _ in range(2)]
    cluster.wait_for_nodes()
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    killer = NodeKiller(raylets, processes_below, tmp_path / "train" / "node", 2)
    killer.start()
    result = run_training(
        config, name="node", storage=tmp_path / "train", resources=Resources(), tracked=tracked
    )
    killer.over.set()
    killer.join()
    assert killer.killed, "the run ended before its node was killed"
    assert len(killer.times) > 1, "nothing was trained after the kill"
    print(f"{killer.pause:.1f} s without a checkpoint after the node was killed")
    assert remaining(killer.dead, patience=90) == {}
    assert sum(node["Alive"] for node in ray.nodes()) == 2, "the head and the other node"

    training, _ = build_training(config)
    metrics = [untimed(epoch.metrics) for epoch in fit(training)]
    state = checkpoints.load(Path(result.checkpoint.path))
    for key, value in training.model.state_dict().items():
        torch.testing.assert_close(state["model"][key], value, rtol=0, atol=0)
    assert untimed(result.return_value) == metrics[-1]
    mlflow = client(tracking.uri)
    for key in untimed(mlflow.get_run(run_id).data.metrics):
        points = [(p.step, p.value) for p in mlflow.get_metric_history(run_id, key)]
        assert points == [(e, values[key]) for e, values in enumerate(metrics) if key in values], key
    assert ray.util.placement_group_table() == {} or all(
        group["state"] == "REMOVED" for group in ray.util.placement_group_table().values()
    )
    assert not list((tmp_path / "train" / "node").glob(".equipose-*"))
