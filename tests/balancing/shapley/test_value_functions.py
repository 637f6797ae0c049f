from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from equipose.balancing.shapley.coalitions import coalition_predictions
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import (
    VALUE_FUNCTIONS,
    correlations,
    negative_mpjpe,
    pearson_profit,
    value_function,
)
from equipose.balancing.shapley.values import shapley_values


def statistics_of(predictions: Tensor, target: Tensor, clusters: int = 2) -> CoalitionStatistics:
    return CoalitionStatistics.from_predictions(predictions, target, torch.arange(len(target)) % clusters)


def test_pearson_equals_numpy() -> None:
    rng = torch.Generator().manual_seed(1)
    target = torch.randn(80, 17, 3, generator=rng)
    predictions = torch.stack([target + s * torch.randn(80, 17, 3, generator=rng) for s in (0.1, 1.0, 5.0)])
    y = target.double().flatten(1).numpy()
    expected = [
        sum(np.corrcoef(p[:, k], y[:, k])[0, 1] for k in range(51))
        for p in predictions.double().flatten(2).numpy()
    ]
    np.testing.assert_allclose(pearson_profit(statistics_of(predictions, target)), expected, atol=1e-10)


def test_pearson_ignores_scale_and_offset_and_mpjpe_does_not() -> None:
    target = torch.randn(40, 17, 3)
    statistics = statistics_of(torch.stack([target, 0.01 * target + 7, -target]), target)
    np.testing.assert_allclose(pearson_profit(statistics), [51, 51, -51], atol=1e-9)
    values = negative_mpjpe(statistics)
    assert values[0] == 0
    assert values[1] < -1000


@pytest.mark.parametrize("noise", [0.0, 2e-7])
def test_constant_predictions_are_worth_nothing(noise: float) -> None:
    target = torch.randn(64, 17, 3) * 0.2 + 3
    constant = torch.full_like(target, 3.1) + noise * torch.randn(64, 17, 3)
    tiny = 3 + 1e-4 * (target - 3)
    statistics = statistics_of(torch.stack([constant, tiny]).double(), target.double())
    assert pearson_profit(statistics)[0] == 0
    assert pearson_profit(statistics)[1] == pytest.approx(51, abs=1e-3), "a small spread still counts"


def test_constant_target_and_single_sample() -> None:
    target = torch.ones(10, 17, 3)
    assert pearson_profit(statistics_of(torch.randn(1, 10, 17, 3), target)).tolist() == [0.0]
    assert pearson_profit(statistics_of(torch.randn(1, 1, 17, 3), target[:1])).tolist() == [0.0]
    assert not correlations(statistics_of(torch.zeros(1, 4, 17, 3), torch.zeros(4, 17, 3))).any()


@pytest.mark.parametrize("name", VALUE_FUNCTIONS)
def test_weights_give_one_row_per_draw(name: str) -> None:
    target = torch.randn(40, 17, 3)
    statistics = statistics_of(target + torch.randn(4, 40, 17, 3), target, clusters=4)
    weights = torch.tensor([[1.0, 1, 1, 1], [4, 0, 0, 0], [0, 2, 1, 1]])
    values = VALUE_FUNCTIONS[name](statistics, weights)
    assert values.shape == (3, 4)
    torch.testing.assert_close(values[0], VALUE_FUNCTIONS[name](statistics))
    only = torch.arange(40) % 4 == 0
    first = CoalitionStatistics.from_predictions(
        torch.zeros(4, 10, 17, 3), target[only], torch.zeros(10, dtype=torch.int64)
    )
    assert first.count.sum() == 10
    assert not torch.allclose(values[1], values[0])


@pytest.mark.parametrize("num_modalities", [2, 3, 4])
@pytest.mark.parametrize("name", VALUE_FUNCTIONS)
def test_scores_equal_brute_force_over_full_forwards(
    num_modalities: int, name: str, toy_model: Callable, toy_data: Callable
) -> None:
    """Every coalition by its own forward pass over all data, values by plain formulas, all in float64."""
    model = toy_model(num_modalities).double().eval()
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(num_modalities, sizes=(9, 4, 7))]
    with torch.no_grad():
        cached = [
            CoalitionStatistics.from_predictions(
                coalition_predictions(model, model.encode(b), b.present), b.pose, b.labels["subject"]
            )
            for b in batches
        ]
        target = torch.cat([b.pose for b in batches]).flatten(1).numpy()
        values = []
        for mask in range(1 << num_modalities):
            keep = torch.tensor([bool(mask >> m & 1) for m in range(num_modalities)])
            poses = torch.cat([model.fuse(model.encode(b), b.present & keep) for b in batches]).numpy()
            values.append(brute_force_value(name, poses, target))
    found = VALUE_FUNCTIONS[name](CoalitionStatistics.merged(cached))
    np.testing.assert_allclose(found, values, atol=1e-6)
    np.testing.assert_allclose(shapley_values(found), shapley_values(np.array(values)), atol=1e-6)
    assert abs(shapley_values(found).sum() - (found[-1] - found[0])) < 1e-9


def brute_force_value(name: str, poses: np.ndarray, target: np.ndarray) -> float:
    if name == "negative_mpjpe":
        return -1000 * np.linalg.norm(poses - target.reshape(poses.shape), axis=-1).mean()
    flat = poses.reshape(len(poses), -1)
    if name == "negative_mse":
        return -1e4 * float(((flat - target) ** 2).mean())
    moving = flat.std(axis=0) > 1e-9
    return sum(np.corrcoef(flat[:, k], target[:, k])[0, 1] for k in np.flatnonzero(moving))


def test_unknown_name() -> None:
    known = r"\['negative_mpjpe', 'negative_mse', 'pearson'\]"
    with pytest.raises(ValueError, match=rf"unknown value function 'mse'; known: {known}"):
        value_function("mse")
