"""A trial learns its tasks one after the other, tells Tune after each, and repeats nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from line_trials import Log, kept, reports

from equipose.balancing.continual.memory.replay import Replay
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.continual.config import ContinualConfig, Strategy
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.line_sweep import trial
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.sweep.trial import NUMBER, RUN
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.protocols import Task

POINT = {NUMBER: 1, RUN: "run", trial.SEARCH: "replay", "replay.beta": 0.5}


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
