"""What a method sees of the training data at the start of an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import Training, run_of
from equipose.orchestrator.training.ranks import Ranks
from equipose.pipelines.batches.source import BatchConfig

Rows = list[list[int]]


@pytest.fixture(scope="module")
def training(store_path: Path) -> Training:
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    return build_training(
        TrainConfig(data=DataConfig(store=str(store_path), batch=batch), model=ModelConfig(preset="tiny"))
    )


def passes(training: Training, epoch: int, ranks: Ranks | None = None) -> tuple[Rows, Rows]:
    """Rows of the pass in order and of the shuffled one, batch by batch."""
    before = training.epoch, training.ranks
    training.epoch, training.ranks = epoch, ranks or Ranks()
    run = run_of(training, lambda name, value: None)
    found = rows(run.batches()), rows(run.shuffled())
    training.epoch, training.ranks = before
    return found


def rows(batches: Iterable[Batch]) -> Rows:
    return [batch.index.tolist() for batch in batches]


def test_a_shuffled_pass_shows_every_row_in_another_order_each_epoch(training: Training) -> None:
    ordered, first = passes(training, 0)
    assert list(chain.from_iterable(ordered)) == training.train.rows.tolist()
    mixed = list(chain.from_iterable(first))
    assert sorted(mixed) == training.train.rows.tolist() != mixed
    assert passes(training, 0)[1] == first
    assert passes(training, 1)[1] != first


def test_ranks_share_the_batches_of_one_shuffled_pass(training: Training) -> None:
    alone = passes(training, 3)[1]
    shares = [passes(training, 3, Ranks(rank=rank, world_size=2))[1] for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == alone
