"""A trial learns its tasks one after the other, tells Tune after each, and repeats nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.balancing.continual.memory.replay import Replay
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.continual.config import ContinualConfig, Strategy
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.line_sweep import trial
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.sweep.trial import NUMBER, RUN, SweepLocation
from equipose.orchestrator.tracking.runs import Tracking
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.protocols import Task

POINT = {NUMBER: 1, RUN: "run", trial.SEARCH: "replay", "replay.beta": 0.5}


class Log:
    """Stands for the logger: what was logged, by name and step."""

    points: dict[tuple[str, int], float]

    def __init__(self, uri: str, run_id: str, folder: Path, **options: float) -> None:
        Log.points = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        Log.points |= {(name, step): value for name, value in metrics.items()}

    def close(self, timeout: float) -> None:
        """Nothing."""

    def finish(self, timeout: float) -> None:
        """Nothing."""


@pytest.fixture
def config(store_path: Path) -> StreamSweepConfig:
    batch = BatchConfig(batch_size=12, views=point_views(lidar=16), modalities=("rgb", "lidar"))
    base = TrainConfig(
        data=DataConfig(store=str(store_path), split="tasks:action=A02+A13", batch=batch),
        model=ModelConfig(preset="tiny", norm="layer", modalities=("rgb", "lidar")),
        epochs=2,
    )
    job = ContinualConfig(
        name="streams",
        base=base,
        tasks=tuple(Task(by="action", values=(action,)) for action in ("A02", "A13")),
        strategies=(Strategy(name="finetune"), Strategy(name="replay", method=Replay.Config(rows=8))),
        seeds=(1000,),
    )
    return StreamSweepConfig(job=job, resources=Resources())


def reports(
    config: StreamSweepConfig, out: Path, monkeypatch: pytest.MonkeyPatch, point: dict[str, Any]
) -> list[tuple[int, float]]:
    """Run a trial without Ray; what it told Tune."""
    told: list[tuple[int, float]] = []
    monkeypatch.setattr(trial, "RunLogger", Log)
    monkeypatch.setattr(trial.tune, "report", lambda m: told.append((m["epoch"], m[OBJECTIVE])))
    tracking = Tracking(uri="http://none", experiment="e", parent_run="p", tags={}, outbox=str(out))
    folder = JobFolder(out=out, kind="sweeps", name="streams")
    trial.run_line_trial(
        point,
        config=config,
        runs=RunsFolder(root=out / "cells", resources=Resources()),
        location=SweepLocation(folder=folder, tracking=tracking),
    )
    return told


def kept(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}


def test_a_stream_is_learnt_reported_and_not_repeated(
    config: StreamSweepConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = reports(config, tmp_path, monkeypatch, POINT)
    results = [RunResult.load(path.parent) for path in kept(tmp_path)]
    ends = [result.history[-1] for result in results if result is not None]
    first, last = sorted(ends, key=lambda end: "task/A02/val/mpjpe_mm" in end)
    assert told == [
        (1, first["val/mpjpe_mm"]),
        (2, (last["task/A02/val/mpjpe_mm"] + last["val/mpjpe_mm"]) / 2),
    ]
    assert Log.points[OBJECTIVE, 3] == told[1][1]
    assert Log.points["val/mpjpe_mm", 1] == first["val/mpjpe_mm"], "epochs of the stream, not of the task"
    assert not list(tmp_path.glob("cells/*/test*")), "no test part is read"
    before = kept(tmp_path)
    assert reports(config, tmp_path, monkeypatch, POINT) == told
    other = reports(config, tmp_path, monkeypatch, {**POINT, NUMBER: 2, "replay.beta": 5.0})
    assert other[0] == told[0]
    assert len(kept(tmp_path)) == len(before) + 1, "the first task is trained once"
    assert before.items() <= kept(tmp_path).items()


def test_a_stream_that_diverges_ends_with_an_infinite_error(
    config: StreamSweepConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = replace(config.job.base, optimizer=OptimizerConfig(lr=1e30, clip_norm=None))
    config = replace(config, job=replace(config.job, base=wild))
    assert reports(config, tmp_path, monkeypatch, POINT) == [(2, math.inf)]
