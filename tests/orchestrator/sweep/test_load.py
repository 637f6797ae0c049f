"""Many small trials at once, and sweeps one after another: nothing lost, nothing doubled, nothing left."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from benchmarks.load.checks import left_in_ray, settled
from benchmarks.load.soak import WARM_UP, growth
from benchmarks.load.trials import toy_store, toy_sweep
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.cluster.session import ray_session

ROOT = Path(__file__).parents[3]
SOAK_MINUTES = float(os.environ.get("EQUIPOSE_SOAK_MINUTES", "20"))

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(60 * SOAK_MINUTES + 1800)]


def run(module: str, *arguments: object) -> str:
    """Output of a benchmark in its own driver, so that its memory is measured alone."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    return ended.stdout


def test_many_trials_in_one_sweep(tmp_path: Path) -> None:
    print(run("benchmarks.load.trials", tmp_path / "out", 24, 8).rpartition("## Load")[2])
    load = json.loads((tmp_path / "out" / "load.json").read_text())
    assert load["problems"] == []
    assert not any(load["left"].values()), load["left"]
    assert sum(load["states"].values()) == 24
    assert load["states"].keys() <= {"done", "stopped"}
    assert load["states"]["stopped"], "ASHA has stopped none, so nothing was tested of what they leave"
    assert load["timed"] == load["states"]["done"]
    assert load["watched"]["driver_peak_growth_mib"] < 100


RECORDS_MIB = {"Ray GCS": 80.0}
"""MiB per hundred trials that a process may grow by; 20 elsewhere. Ray's GCS keeps a record of every actor
and task of the session, to a limit far above this: seven actors per trial, measured 0.6 MiB."""


def soak_values(rounds: list[dict[str, Any]], name: str) -> list[float]:
    return [float(entry[name]) for entry in rounds]


def test_soak(tmp_path: Path) -> None:
    """`benchmarks.load.soak.growth` defines a trend. Files and threads may rise by one at most.

    Memory may by a tenth, for caches that fill late, and by what is kept of every trial.
    """
    run("benchmarks.load.soak", tmp_path / "out", SOAK_MINUTES)
    rounds = json.loads((tmp_path / "out" / "soak.json").read_text())
    assert [entry["problems"] for entry in rounds] == [[]] * len(rounds)
    for name in ("placement_groups", "actors", "temp_files"):
        assert soak_values(rounds, name) == [0] * len(rounds), name
    trials = 8 * max(0, len(rounds) - WARM_UP)
    for name in rounds[0]["memory_mib"]:
        values = [entry["memory_mib"][name] for entry in rounds]
        print(f"{name}: {values[0]:.0f} to {values[-1]:.0f} MiB, trend {growth(values):+.1f}")
        kept = RECORDS_MIB.get(name, 20.0) * trials / 100
        assert growth(values) < 0.1 * statistics.median(values) + kept, (name, values)
    for name in ("open_files", "threads"):
        values = soak_values(rounds, name)
        print(f"{name}: {values[0]:.0f} to {values[-1]:.0f}, trend {growth(values):+.1f}")
        assert growth(values) <= 1, (name, values)


SECOND_RAY = """
import time
from equipose.orchestrator.cluster.local_ray import start_local_ray
start_local_ray(num_cpus=1, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
print("ready", flush=True)
time.sleep(600)
"""


@contextmanager
def another_ray() -> Iterator[None]:
    """A foreign Ray on this machine."""
    command = [sys.executable, "-c", SECOND_RAY]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert other.stdout is not None
        assert any("ready" in line for line in other.stdout)
        yield
    finally:
        other.terminate()
        other.wait()


def test_a_stopped_trial_gives_its_cores_back_beside_another_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ASHA stops it: its process is killed, and whatever the training has started must notice."""
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    config = toy_sweep("x", toy_store(tmp_path / "store"), trials=6, concurrency=1)
    endless = replace(config.run_config(config.enqueued()[0]), epochs=10_000)

    class Trial:
        def run(self) -> None:
            from equipose.orchestrator.ray_train.run import run_training

            run_training(endless, name="t", storage=tmp_path / "t", resources=Resources(cpus_per_worker=0.5))

    with another_ray(), ray_session():
        trial = ray.remote(num_cpus=0)(Trial).remote()
        trial.run.remote()
        deadline = time.monotonic() + 200
        while not list(tmp_path.glob("t/t/checkpoint_*")):
            assert time.monotonic() < deadline, "it never trained"
            time.sleep(0.2)
        assert left_in_ray()["placement groups"] == 1
        ray.kill(trial)
        left = settled(left_in_ray, lambda found: not any(found.values()), patience=60)
    assert left == {"placement groups": 0, "actors": 0}
