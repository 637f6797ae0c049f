"""A whole node is killed while it trains: the run continues elsewhere and ends with the same numbers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from ray_nodes import add_node, head_alone
from same_runs import assert_equal, by_key, history, reference, untimed

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.host import LOOPBACK, alive
from equipose.orchestrator.ray_train.run import Resources, run_training
from equipose.orchestrator.tracking.runs import Tracked, create_run
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.training.config import TrainConfig

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(900)]

Below = Callable[[int], dict[int, str]]


# A dead node is noticed by missed answers; the default waits for more of them than a test needs.
HEAD = {"_system_config": {"health_check_period_ms": 500, "health_check_failure_threshold": 4}}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head without cores, so that all training happens on the nodes that are added to it."""
    with head_alone(LOOPBACK, **HEAD) as cluster:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster


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


def remaining(pids: dict[int, str], patience: float) -> dict[int, str]:
    """Those that still run after so many seconds; Ray's agents take a while to notice that they are alone."""
    deadline = time.monotonic() + patience
    while (left := {pid: name for pid, name in pids.items() if alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


@pytest.mark.usefixtures("one_thread")
def test_killed_node_costs_nothing(
    cluster: Cluster, fault_run: TrainConfig, tracking: TrackingServer, processes_below: Below, tmp_path: Path
) -> None:
    config = replace(fault_run, epochs=10)
    run_id = create_run(tracking.uri, "faults", "node")
    tracked = Tracked(uri=tracking.uri, run_id=run_id, outbox=str(tmp_path / "spool"))
    nodes = [add_node(cluster, LOOPBACK) for _ in range(2)]
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

    training, metrics = reference(config)
    state = checkpoints.load(Path(result.checkpoint.path))
    assert_equal(state["model"], training.model.state_dict())
    assert untimed(result.return_value) == metrics[-1]
    assert history(tracking, run_id) == by_key(metrics)
    assert ray.util.placement_group_table() == {} or all(
        group["state"] == "REMOVED" for group in ray.util.placement_group_table().values()
    )
    assert not list((tmp_path / "train" / "node").glob(".equipose-*"))
