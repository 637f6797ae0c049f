from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from equipose.balancing.method import Method, Step
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.running import RunningContributions, batch_contributions
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.balancing.shapley.values import shapley_values
from equipose.models.build import ModelConfig, build_model
from equipose.models.randomness import torch_rng


def step_of(training: Any, index: int) -> Step:
    batch = training.batches[index]
    return Step(
        run=training.view(), index=index, batch=batch, outputs=training.model(batch), rng=torch_rng(0, index)
    )


def expected(training: Any, step: Step) -> torch.Tensor:
    training.model.eval()
    predictions = torch.stack(
        [
            training.model.fuse(step.outputs.features, step.batch.present & mask)
            for mask in coalitions_of(len(training.model.modalities)).masks
        ]
    )
    training.model.train()
    groups = torch.arange(len(step.batch))
    return shapley_values(
        pearson_profit(CoalitionStatistics.from_predictions(predictions, step.batch.pose, groups))
    )


@pytest.mark.parametrize("fusion", ["concat", "mlp", "attention"])
def test_coalitions_of_real_fusions(fusion: str) -> None:
    config = ModelConfig(preset="tiny", fusion=fusion, head_init="zeros")  # type: ignore[arg-type]
    model = build_model(config, seed=0).eval()
    features = torch.randn(5, 4, config.width)
    present = torch.rand(5, 4) > 0.3
    with torch.no_grad():
        found = coalition_predictions(model, features, present)
        assert found.shape == (16, 5, 17, 3)
        for mask, row in enumerate(coalitions_of(4).masks):
            torch.testing.assert_close(found[mask], model.fuse(features, present & row), rtol=1e-4, atol=1e-5)


def test_one_batch(toy_training: Callable) -> None:
    training = toy_training(Method(), dropout=0.5, norm="batch")
    step = step_of(training, 0)
    flags = [module.training for module in training.model.modules()]
    scores = batch_contributions(step)
    torch.testing.assert_close(scores, expected(training, step))
    assert scores.dtype == torch.float64
    assert [module.training for module in training.model.modules()] == flags


@pytest.mark.parametrize("momentum", [None, 0.2])
def test_running_mean(momentum: float | None, toy_training: Callable) -> None:
    training = toy_training(Method())
    running = RunningContributions(momentum=momentum)
    singles = []
    for index in range(3):
        step = step_of(training, index)
        singles.append(expected(training, step))
        scores = running.update(step)
    if momentum is None:
        wanted = torch.stack(singles).mean(dim=0)
    else:
        wanted = 0.64 * singles[0] + 0.16 * singles[1] + 0.2 * singles[2]
    torch.testing.assert_close(scores, wanted)


def test_ranks_join_before_the_correlation(toy_training: Callable, thread_ranks: Callable) -> None:
    alone = toy_training(Method(), dtype=torch.float64)
    whole = batch_contributions(step_of(alone, 0))
    ranks = thread_ranks(2)
    pair = [toy_training(Method(), dtype=torch.float64, mean=ranks.mean(rank)) for rank in range(2)]
    from_rank = []
    for rank, training in enumerate(pair):
        training.rank, training.world_size = rank, 2
        training.batches = list(training.view().batches())
        training.rank, training.world_size = 0, 1
        from_rank.append(step_of(training, 0))
    first, second = ranks.run(lambda rank: batch_contributions(from_rank[rank]))
    np.testing.assert_allclose(first, whole, atol=1e-9)
    assert torch.equal(first, second)


def test_state(toy_training: Callable) -> None:
    training = toy_training(Method())
    running = RunningContributions()
    running.update(step_of(training, 0))
    copy = RunningContributions()
    copy.load_state_dict(running.state_dict())
    assert torch.equal(copy.update(step_of(training, 1)), running.update(step_of(training, 1)))


def test_rejects_momentum() -> None:
    with pytest.raises(ValueError, match=r"momentum must lie in \(0, 1\]"):
        RunningContributions(momentum=0.0)
