"""One tracking server, one Ray and one finished sweep for all tests of this folder."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from job_processes import (
    ComparisonProcess,
    SmallSweepProcess,
    checkpoint_files,
    descendants,
    runs_by_name,
)

from equipose.balancing.methods.awc.awc import AWC
from equipose.experiments.presets.comparison import ComparisonOptions, comparison_config
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.cluster.session import SessionConfig, ray_session
from equipose.orchestrator.comparison.config import ComparisonConfig
from equipose.orchestrator.host import alive
from equipose.orchestrator.tracking.server import TrackingServer, tracking_server
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a Ray in this process run last, because the others expect none."""
    items.sort(key=lambda item: "ray_cluster" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local Ray of two cores in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_session(SessionConfig(num_cpus=2)):
            yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread, as in a Ray worker with one CPU: sums in another order differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_run(store_path: Path) -> TrainConfig:
    """3 epochs of AWC on two sensors, 2 in its window, with batch statistics and dropout; half a second."""
    sensors = ("rgb", "lidar")
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16), modalities=sensors)
    return TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.1, modalities=sensors),
        method=AWC.Config(window=2),
        epochs=3,
    )


@pytest.fixture(scope="session")
def fault_run(store_path: Path) -> TrainConfig:
    """6 epochs of AWC on all sensors, the first 4 in its window, with batch statistics and dropout."""
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    return TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.1),
        method=AWC.Config(window=4),
        epochs=6,
    )


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A running tracking server; at the end its guard must be gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(tmp_path_factory.mktemp("tracking")) as server:
            yield server
    assert not alive(server.guard_pid)


@pytest.fixture(scope="session")
def processes_below() -> Callable[[int], dict[int, str]]:
    """Process id -> command line of everything below a process."""
    return descendants


@dataclass(frozen=True, kw_only=True)
class FinishedSweep:
    """A smoke sweep that was killed once, and resumed, with its state in between."""

    out: Path
    name: str
    killed: SmallSweepProcess
    resumed: SmallSweepProcess
    finished_first: tuple[str, ...]
    """Trials that had ended when the driver was killed."""
    files_before: dict[Path, int] = field(repr=False)
    """Checkpoint file -> time of change (ns), when the driver was killed."""
    runs_before: dict[str, str] = field(repr=False)
    """Trial -> MLflow run, when the driver was killed."""

    @property
    def root(self) -> Path:
        """Folder of the sweep."""
        return self.out / "sweeps" / self.name


@pytest.fixture(scope="session")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory) -> FinishedSweep:
    """The smoke sweep, its driver killed (signal 9) while the second pair of trials runs, and resumed."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    killed = SmallSweepProcess(out)
    killed.wait_for("trial-002 running")
    killed.process.kill()
    killed.process.wait()
    assert killed.survivors(patience=30, besides="Agent") == {}  # Ray's agents take a minute to notice
    files, runs = checkpoint_files(out), runs_by_name(out)
    finished = tuple(re.findall(r"(trial-\d+) done", killed.output))
    resumed = SmallSweepProcess(out, "--resume")
    assert resumed.ended() == 0, resumed.output
    return FinishedSweep(
        out=out,
        name="awc-simulated-smoke-001",
        killed=killed,
        resumed=resumed,
        finished_first=finished,
        files_before=files,
        runs_before=runs,
    )


@pytest.fixture(scope="session")
def sweep_server(finished_sweep: FinishedSweep) -> Iterator[TrackingServer]:
    """The tracking server of the finished sweep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(finished_sweep.out) as server:
            yield server


@dataclass(frozen=True, kw_only=True)
class FinishedComparison:
    """A small comparison."""

    out: Path
    config: ComparisonConfig
    command: tuple[str, ...]
    """Its options."""
    process: ComparisonProcess

    @property
    def root(self) -> Path:
        """Folder of the comparison."""
        return self.out / "comparisons" / self.config.name


def comparison_options() -> dict[str, Any]:
    """The job options of a small comparison, as `compare_methods.py` keeps them: two sensors, 16 runs."""
    sensors = "rgb,lidar"
    return {
        "data": "simulated",
        "data_root": None,
        "preset": "smoke",
        "methods": ["plain", "awc"],
        "seeds": 2,
        "fusions": ["concat"],
        "protocols": ["P1"],
        "split": "S2",
        "budget": 2,
        "epochs": 2,
        "alone": True,
        "workers": 1,
        "gpu": False,
        "override": [f"model.modalities={sensors}", f"data.batch.modalities={sensors}"],
    }


@pytest.fixture(scope="session")
def comparison_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """The tracking server of the small comparison, which finds it there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(tmp_path_factory.mktemp("comparison") / "out") as server:
            yield server


@pytest.fixture(scope="session")
def finished_comparison(comparison_server: TrackingServer) -> FinishedComparison:
    """The small comparison, from the command line."""
    out, options = comparison_server.directory, comparison_options()
    command = ("--methods", "awc", "--override", *options["override"])
    process = ComparisonProcess(out, *command)
    assert process.ended() == 0, process.output
    (store,) = out.glob("stores/simulated-*")
    config = comparison_config(
        "compare-simulated-smoke-001", ComparisonOptions.from_json(options), str(store)
    )
    return FinishedComparison(out=out, config=config, command=command, process=process)


@pytest.fixture
def sweep_process() -> Iterator[type[SmallSweepProcess]]:
    """Starts sweeps that are killed at the end of the test, whatever happens."""
    started: list[SmallSweepProcess] = []

    class Tracked(SmallSweepProcess):
        def __init__(self, out: Path, *options: str) -> None:
            super().__init__(out, *options)
            started.append(self)

    yield Tracked
    for sweep in started:
        if sweep.process.poll() is None:
            os.killpg(sweep.process.pid, signal.SIGKILL)
            sweep.process.wait()
