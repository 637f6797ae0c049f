"""A cluster of several Ray nodes: ranks, runs, coalition actors and trials are spread over them.

Each node offers one core, so what needs two at once can only be on both. The nodes are processes of this
machine (`ray.cluster_utils`), so they share its files, as nodes with a network file system do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.util.state import list_actors, list_tasks
from ray_nodes import add_node, head_alone

from equipose.orchestrator.cluster.ray_cluster import find_cluster
from equipose.orchestrator.cluster.session import SessionConfig, tracking_host
from equipose.orchestrator.evaluation.coalition_pool import PoolConfig, evaluate_coalitions
from equipose.orchestrator.grid.run_all import run_grid
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.ray_train.run import Resources, best_checkpoint, run_training
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import Tracked, Tracking, create_run
from equipose.orchestrator.tracking.server import TrackingServer, tracking_server
from equipose.orchestrator.training.config import TrainConfig

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1200)]

SCRIPT = Path(__file__).parents[3] / "experiments" / "awc_sweep.py"
STREAMS = SCRIPT.with_name("continual_streams.py")


@dataclass(frozen=True)
class Nodes:
    """A cluster with a head that only schedules and two nodes that work."""

    address: str
    working: frozenset[str]
    """Ids of the two."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """The cluster, with this process as a driver on it."""
    with head_alone(include_dashboard=True) as cluster:
        added = [add_node(cluster) for _ in range(2)]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield Nodes(cluster.address, frozenset(node.node_id for node in added))


@pytest.fixture(scope="module")
def head_tracking(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """MLflow where a job on this cluster would have it: not on loopback, unless the cluster is."""
    host = tracking_host(SessionConfig(address=nodes.address))
    assert host == nodes.address.rpartition(":")[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(tmp_path_factory.mktemp("tracking"), host=host) as server:
            assert server.uri.startswith(f"http://{host}:")
            yield server


def nodes_of_actors(kind: str, known: frozenset[str] = frozenset()) -> set[str]:
    """Nodes that actors of a class have run on, without those known before."""
    actors = list_actors(limit=1000, detail=True)
    return {a.node_id for a in actors if a.class_name == kind and a.actor_id not in known}


def actors_so_far() -> frozenset[str]:
    """Ids of all actors of the cluster, dead ones too."""
    return frozenset(actor.actor_id for actor in list_actors(limit=1000))


def test_the_cluster_tells_its_size_without_being_joined(nodes: Nodes) -> None:
    found = find_cluster(nodes.address)
    assert sorted(node.cpus for node in found.nodes) == [0, 1, 1]
    assert found.ray_version == ray.__version__


def test_ranks_and_then_coalition_actors_are_on_both_nodes(
    nodes: Nodes, head_tracking: TrackingServer, small_run: TrainConfig, tmp_path: Path
) -> None:
    before = actors_so_far()
    run_id = create_run(head_tracking.uri, "nodes", "ranks")
    tracked = Tracked(uri=head_tracking.uri, run_id=run_id, outbox=str(tmp_path / "spool"))
    result = run_training(
        small_run, name="ranks", storage=tmp_path, resources=Resources(workers=2), tracked=tracked
    )
    assert nodes_of_actors("RayTrainWorker", before) == nodes.working
    history = client(head_tracking.uri).get_metric_history(run_id, "val/mpjpe_mm")
    assert [point.step for point in history] == [0, 1, 2], "workers reach the server from their nodes"

    rows = np.arange(96)
    best = best_checkpoint(result)
    spread = evaluate_coalitions(best, rows, 4, PoolConfig(actors=2, shard_rows=32))
    for times in (8, 64, 512):  # on a busy machine one actor may be through before the other has started
        if nodes_of_actors("CoalitionWorker", before) >= nodes.working:
            break
        evaluate_coalitions(best, np.tile(rows, times), 4, PoolConfig(actors=2, shard_rows=32))
    assert nodes_of_actors("CoalitionWorker", before) - {None} == nodes.working
    alone = evaluate_coalitions(best, rows, 4, PoolConfig(actors=1, shard_rows=96))
    assert spread.count.tolist() == alone.count.tolist()
    assert spread.error_sum.tolist() == alone.error_sum.tolist(), "the cut of the work does not change it"


def test_runs_are_on_both_nodes(
    nodes: Nodes, head_tracking: TrackingServer, small_run: TrainConfig, tmp_path: Path
) -> None:
    tracking = Tracking(
        uri=head_tracking.uri,
        experiment="nodes",
        parent_run=create_run(head_tracking.uri, "nodes", "cells"),
        tags={},
        outbox=str(tmp_path / "spool"),
    )
    place = RunsFolder(root=tmp_path / "cells", resources=Resources(), tracking=tracking)
    cells = [RunSpec(name=f"s{seed}", config=replace(small_run, seed=seed)) for seed in range(2)]
    results = run_grid(cells, place, 2, lambda cell, state, result: None)
    assert set(results) == {"s0", "s1"}
    tasks = [task for task in list_tasks(limit=1000, detail=True) if task.name == "_work_on"]
    assert {task.node_id for task in tasks} == nodes.working


def test_a_stream_goes_on_wherever_there_is_room(nodes: Nodes, tmp_path: Path) -> None:
    """The runs of two streams, each of which starts where another one ended, maybe on the other node."""
    known = frozenset(task.task_id for task in list_tasks(limit=1000))
    environment = os.environ | {"RAY_ADDRESS": nodes.address, "EQUIPOSE_OUT": str(tmp_path / "out")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    options = ("--tasks", "E01", "E02", "--strategies", "alone", "replay", "--seeds", "2")
    ended = subprocess.run(
        [sys.executable, STREAMS, "--preset", "smoke", "--quiet", *options],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tasks = [task for task in list_tasks(limit=1000, detail=True) if task.task_id not in known]
    assert {task.node_id for task in tasks if task.name == "_work_on"} == nodes.working
    results = [json.loads(path.read_text()) for path in (tmp_path / "out/cells").glob("*/result.json")]
    # Per seed: the shared first task, the second one of finetune and of replay, and alone.
    assert len(results) == 2 * 4
    later = [result for result in results if result["config"].get("earlier_tasks")]
    assert all("task/E01/val/mpjpe_mm" in result["history"][-1] for result in later)
    assert (tmp_path / "out/continual/continual-simulated-smoke-001/report.html").exists()


def test_trials_of_a_sweep_are_on_both_nodes(nodes: Nodes, tmp_path: Path) -> None:
    before = actors_so_far()
    environment = os.environ | {"RAY_ADDRESS": nodes.address, "EQUIPOSE_OUT": str(tmp_path / "out")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    ended = subprocess.run(
        [sys.executable, SCRIPT, "--preset", "smoke", "--quiet"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert nodes_of_actors("RayTrainWorker", before) == nodes.working
    assert (tmp_path / "out/sweeps/awc-simulated-smoke-001/outcome.json").exists()
    log = (tmp_path / "out/mlflow-server.log").read_text()
    assert f"http://{nodes.address.rpartition(':')[0]}:" in log
