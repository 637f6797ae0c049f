"""Continual methods through the loop that trains: two tasks of the small simulated store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import CONTINUAL
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchConfig, BatchSource

PENALTIES = ("l2", "ewc", "ewc_online", "ewc_adaptive", "si", "mas", "lwf")
MEMORY = 7


def training_of(store: Path, config: MethodConfig, task: int) -> Training:
    """A run on every second training row, those of the task."""
    batch = BatchConfig(batch_size=16, views=point_views(lidar=16, mmwave=8))
    training = build_training(
        TrainConfig(
            data=DataConfig(store=str(store), batch=batch),
            model=ModelConfig(preset="tiny", modalities=batch.modalities),
            method=config,
            epochs=1,
        )
    )
    training.train = BatchSource(training.train.store, training.train.rows[task::2][:32], batch)
    training.task = task
    return training


def config_of(name: str) -> MethodConfig:
    sized = {"rows": MEMORY} if hasattr(CONTINUAL[name].Config, "rows") else {}
    return CONTINUAL[name].Config(**sized)


@pytest.mark.parametrize("name", CONTINUAL)
def test_two_tasks(name: str, store_path: Path) -> None:
    """The second task has a penalty above 0 after its first step, plans only what it may, and ends."""
    first = training_of(store_path, config_of(name), 0)
    (result,) = fit(first)
    assert f"train/loss/{name}" not in result.metrics
    second = training_of(store_path, config_of(name), 1)
    second.model.load_state_dict(first.model.state_dict())
    second.method.load_state_dict(first.method.state_dict())
    (result,) = fit(second)
    if name in PENALTIES:
        assert result.metrics[f"train/loss/{name}"] > 0
    steps = result.metrics["steps/method"] + result.metrics["steps/plain"]
    assert steps == 2, "as many steps as plain training"
    memory = second.method.memory
    if memory is not None:
        assert len(memory) == MEMORY
        assert torch.isin(memory, torch.tensor([*first.train.rows, *second.train.rows])).all()
    assert all(torch.isfinite(value).all() for value in second.model.state_dict().values())
