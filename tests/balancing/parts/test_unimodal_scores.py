from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.method import Method, Step
from equipose.balancing.parts.unimodal_scores import (
    bounded_scores,
    discrepancy_ratio,
    relative_errors,
    shapley_responses,
    unimodal_errors,
    unimodal_predictions,
)
from equipose.models.build import ModelConfig, build_model
from equipose.models.randomness import torch_rng


class WithHeads(Method):
    needs = frozenset({"unimodal_heads"})


def step_of(training: Any, index: int = 0) -> Step:
    batch = training.batches[index]
    return Step(
        run=training.view(), index=index, batch=batch, outputs=training.model(batch), rng=torch_rng(0, index)
    )


def test_predictions_alone(toy_training: Callable) -> None:
    training = toy_training(WithHeads(), norm="batch", dropout=0.5)
    step, model = step_of(training), training.model
    flags = [module.training for module in model.modules()]
    alone = unimodal_predictions(step, "coalition")
    for m in range(3):
        mask = torch.arange(3) == m
        torch.testing.assert_close(alone[:, m], model.fuse(step.outputs.features, step.batch.present & mask))
    heads = unimodal_predictions(step, "heads")
    torch.testing.assert_close(heads[:, 1], step.outputs.unimodal["lidar"])
    assert not alone.requires_grad
    assert not heads.requires_grad
    assert [module.training for module in model.modules()] == flags


def test_errors_by_hand(toy_training: Callable) -> None:
    step = step_of(toy_training(Method(), dtype=torch.float64))
    predictions = torch.randn(8, 3, 17, 3, dtype=torch.float64)
    target, present = step.batch.pose, step.batch.present
    assert not present.all()
    plain, centred = [], []
    for m in range(3):
        mine, goal = predictions[present[:, m], m], target[present[:, m]]
        plain.append((mine - goal).norm(dim=-1).mean())
        centred.append((mine - mine.mean(0) + goal.mean(0) - goal).norm(dim=-1).mean())
    torch.testing.assert_close(unimodal_errors(step, predictions, centred=False), torch.stack(plain))
    torch.testing.assert_close(unimodal_errors(step, predictions, centred=True), torch.stack(centred))


@pytest.mark.parametrize("centred", [False, True])
def test_a_modality_without_rows_counts_as_average(centred: bool, toy_training: Callable) -> None:
    step = step_of(toy_training(Method()))
    step.batch.present[:, 1] = False
    errors = unimodal_errors(step, torch.randn(8, 3, 17, 3), centred=centred)
    assert errors[1].item() == pytest.approx((errors[0] + errors[2]).item() / 2)


def test_concatenation_splits_into_the_same_errors(toy_training: Callable) -> None:
    """Centred, the coalition's prediction, the linear share and the Shapley response have equal errors."""
    step = step_of(toy_training(Method(), dtype=torch.float64))
    shares = step.run.model.contributions_of(step.outputs.features)
    expected = unimodal_errors(step, shares, centred=True)
    for other in (unimodal_predictions(step, "coalition"), shapley_responses(step)):
        torch.testing.assert_close(unimodal_errors(step, other, centred=True), expected)


@pytest.mark.parametrize("fusion", ["concat", "mlp", "attention"])
def test_responses_sum_to_the_prediction(fusion: str, toy_training: Callable) -> None:
    config = ModelConfig(preset="tiny", fusion=fusion, head_init="zeros")  # type: ignore[arg-type]
    model = build_model(config, seed=0).double()
    training = toy_training(Method(), num_modalities=4, dtype=torch.float64)
    step = step_of(training)
    features = torch.randn(8, 4, config.width, dtype=torch.float64, requires_grad=True)
    features = features.where(step.batch.present[..., None], 0)
    object.__setattr__(step.run, "model", model)
    object.__setattr__(step.outputs, "features", features)
    responses = shapley_responses(step)
    nothing = model.fuse(features, torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(responses.sum(dim=1), model.fuse(features, step.batch.present) - nothing)
    assert responses.requires_grad
    assert unimodal_predictions(step, "coalition").shape == responses.shape


def test_scores_and_leads() -> None:
    errors = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    torch.testing.assert_close(relative_errors(errors, None).mean(), torch.tensor(1.0, dtype=torch.float64))
    scores = bounded_scores(errors, 0.1)
    torch.testing.assert_close(scores, torch.exp(torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64)))
    e = torch.e
    expected = [(e + e**2) / 2, (1 / e + e) / 2, (1 / e + 1 / e**2) / 2]
    torch.testing.assert_close(discrepancy_ratio(scores, "mean"), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(
        discrepancy_ratio(scores, "weakest"), torch.tensor([e**2, e, 1], dtype=torch.float64)
    )
    assert discrepancy_ratio(torch.tensor([4.0, 2.0]), "mean").tolist() == [2, 0.5]
    assert discrepancy_ratio(torch.tensor([4.0, 2.0]), "weakest").tolist() == [2, 1]


def test_errors_join_over_ranks(toy_training: Callable, thread_ranks: Callable) -> None:
    whole = step_of(toy_training(Method(), dtype=torch.float64))
    expected = unimodal_errors(whole, unimodal_predictions(whole, "coalition"), centred=True)
    ranks = thread_ranks(2)
    steps = []
    for rank in range(2):
        training = toy_training(Method(), dtype=torch.float64, rank=rank, world_size=2, mean=ranks.mean(rank))
        training.batches = list(training.view().batches())
        steps.append(step_of(training))

    def work(rank: int) -> torch.Tensor:
        step = steps[rank]
        return unimodal_errors(step, unimodal_predictions(step, "coalition"), centred=True)

    first, second = ranks.run(work)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, expected, rtol=0, atol=1e-12)
