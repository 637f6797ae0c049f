"""What a method sees of the training data, and what an epoch measures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from equipose.balancing.method import Method
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.run import Run
from equipose.models.batch import Batch
from equipose.models.batch_statistics import recalibrate
from equipose.models.build import ModelConfig
from equipose.models.pose_errors import mpjpe
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import _error_mm, fit
from equipose.orchestrator.training.passes import run_of
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
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


def normalised(store: Path, **changes: Any) -> Training:
    """A run with batch statistics, dropout and AWC in its second and third epoch."""
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    config = TrainConfig(
        data=DataConfig(store=str(store), batch=batch),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.3),
        **changes,
    )
    return build_training(config)


def buffers(training: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.model.named_buffers()}


def test_running_statistics_are_those_of_the_current_weights(store_path: Path) -> None:
    """After an epoch, where validation looks, and before the first, where methods look."""
    training = normalised(store_path, epochs=2, method=AWC.Config(free_epochs=0, contributions="validation"))
    seen: list[dict[str, Tensor]] = []
    start = training.method.on_epoch_start

    def watch(run: Run) -> None:
        seen.append(buffers(training))
        start(run)

    training.method.on_epoch_start = watch  # type: ignore[method-assign]
    for _ in fit(training):
        seen.append(buffers(training))
        recalibrate(training.model, lambda: training.moved(training.sample.in_order()))
        for name, value in buffers(training).items():
            assert torch.equal(value, seen[-1][name]), name
    fresh = build_training(training_config(training))
    recalibrate(fresh.model, lambda: fresh.moved(fresh.sample.in_order()))
    assert all(torch.equal(value, seen[0][name]) for name, value in buffers(fresh).items())


def training_config(training: Training) -> TrainConfig:
    """The same run again, at its start."""
    return TrainConfig(
        data=DataConfig(store=str(training.train.store.path), batch=training.train.config),
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.3),
        epochs=training.epochs,
    )


def test_the_sample_spreads_over_the_part_in_whole_mixed_batches(training: Training) -> None:
    size, rows = training.sample.config.batch_size, training.sample.rows
    assert len(rows) % size == 0
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) <= set(training.train.rows.tolist())
    assert not (np.diff(rows) > 0).all(), "in order, a batch would hold neighbours"
    covered = (rows.max() - rows.min()) / (training.train.rows.max() - training.train.rows.min())
    assert covered > 0.9


def test_training_error_is_that_of_evaluation_mode(store_path: Path) -> None:
    training = normalised(store_path, epochs=1)
    (result,) = fit(training)
    errors = []
    training.model.eval()
    with torch.no_grad():
        for batch in training.sample.in_order():
            errors.append(mpjpe(training.model(batch).pose, batch.pose))
    assert result.metrics["train/mpjpe_mm"] == pytest.approx(1000 * float(torch.cat(errors).mean()), rel=1e-5)


def test_steps_are_counted_in_and_after_the_window(store_path: Path) -> None:
    training = normalised(store_path, epochs=4, method=AWC.Config(free_epochs=1, window=2))
    steps = [(r.metrics["steps/method"], r.metrics["steps/plain"]) for r in fit(training)]
    each = steps[0][1]
    assert each > 0
    assert steps == [(0, each), (each, each), (2 * each, each), (2 * each, 2 * each)]


def test_displacement_is_what_the_weights_moved(store_path: Path) -> None:
    training = normalised(store_path, epochs=1)
    before = {
        m: [p.detach().clone() for p in g.values()] for m, g in training.model.encoder_parameters().items()
    }
    (result,) = fit(training)
    for modality, group in training.model.encoder_parameters().items():
        change = [(p.detach() - s).flatten() for p, s in zip(group.values(), before[modality], strict=True)]
        assert result.metrics[f"moved/{modality}"] == pytest.approx(float(torch.cat(change).norm()), rel=1e-5)


class Halved(Method):
    """Moves the weights when its task is over, as averaging of weights does."""

    moves_weights_at_end = True

    def on_task_end(self, run: Run) -> None:
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.mul_(0.5)
        run.recalibrate()


def test_what_the_end_of_the_task_moves_is_measured_again(store_path: Path) -> None:
    training = normalised(store_path, epochs=2)
    training.method = Halved()
    training.watched = {"E01": training.validation}
    last = list(fit(training))[-1].metrics
    error = _error_mm(training, training.validation, training.validation.in_order())
    assert last["val/mpjpe_mm"] == pytest.approx(error, rel=1e-5)
    assert last["task/E01/val/mpjpe_mm"] == pytest.approx(error, rel=1e-5)
    assert training.history[-1] is last
    assert training.best_mpjpe_mm == min(epoch["val/mpjpe_mm"] for epoch in training.history)
    unmoved = normalised(store_path, epochs=2)
    assert [r.metrics["val/mpjpe_mm"] for r in fit(unmoved)][-1] != pytest.approx(error, rel=1e-3)
