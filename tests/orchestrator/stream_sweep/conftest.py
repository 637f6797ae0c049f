"""A sweep of streams that needs no data to be described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.continual.config import ContinualConfig, Strategy
from equipose.orchestrator.stream_sweep.config import StreamSweepConfig
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.protocols import Task


@pytest.fixture
def sweep() -> Callable[..., StreamSweepConfig]:
    """`sweep(strategies=..., trials=...)`: any field of the sweep or of its job."""

    def build(**changes: Any) -> StreamSweepConfig:
        tasks = tuple(Task(by="environment", values=(room,)) for room in ("E01", "E02", "E03"))
        job = ContinualConfig(
            name="streams",
            base=TrainConfig(data=DataConfig(store="store", split="tasks:environment=E01+E02+E03"), epochs=4),
            tasks=tasks,
            strategies=(
                Strategy(name="finetune"),
                Strategy(name="ewc", method=EWC.Config()),
                Strategy(name="replay", method=Replay.Config()),
            ),
            seeds=(1000,),
        )
        mine = {name: value for name, value in changes.items() if hasattr(job, name) and name != "name"}
        whole = StreamSweepConfig(job=replace(job, **mine), trials=3, resources=Resources())
        return replace(whole, **{name: value for name, value in changes.items() if name not in mine})

    return build
