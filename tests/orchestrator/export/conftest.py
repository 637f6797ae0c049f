"""A tiny trained model, and its frames as an exported model takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from equipose.models.batch import Batch
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.export.signature import MASK
from equipose.pipelines.store import Store


@pytest.fixture(scope="session")
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


@pytest.fixture
def batch_of(trained: TrainedModel, small_store: Store) -> Callable[[int], Batch]:
    """A batch of so many frames; in the last of several one sensor is absent."""

    def make(count: int) -> Batch:
        (batch,) = trained.batches(small_store.index["row"].to_numpy()[3 : 3 + count]).in_order()
        if count > 1:
            batch.present[-1, 1] = False
        return batch

    return make


@pytest.fixture
def values_of() -> Callable[[Batch], dict[str, Tensor]]:
    """A batch as named inputs; what is absent is NaN."""

    def make(batch: Batch) -> dict[str, Tensor]:
        values = {}
        for m, (name, inputs) in enumerate(batch.inputs.items()):
            present = batch.present[:, m].view(-1, *[1] * (inputs.dim() - 1))
            values[name] = inputs.where(present, torch.nan)
            if name in batch.masks:
                values[name + MASK] = batch.masks[name]
        return values

    return make
