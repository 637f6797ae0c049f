from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout, left_after_dropout
from equipose.balancing.run import EpochPlan

Config = ModalityDropout.Config


def test_what_is_left_by_hand() -> None:
    available = torch.tensor([[1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]]).bool()
    rates = torch.tensor([0.4, 0.5, 0.8])
    draws = torch.tensor(
        [[0.3, 0.6, 0.9], [0.3, 0.1, 0.7], [0.9, 0.1, 0.2], [0.9, 0.9, 0.0], [0.9, 0.9, 0.9]]
    )
    # Second row: 0.3/0.4 = 0.75, 0.2 and 0.7/0.8 = 0.875; third: 0.2 and 0.25, the absent one cannot stay.
    expected = torch.tensor([[0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]]).bool()
    assert torch.equal(left_after_dropout(available, rates, draws), expected)


def planned(training, method: ModalityDropout) -> tuple[torch.Tensor, torch.Tensor]:
    """What the rows have, and what the plan of an epoch leaves of it."""
    plan = method.plan_epoch(training.plan(), training.view())
    has = torch.cat([batch.present for batch in training.batches])
    assert torch.equal(plan.indices, training.plan().indices)
    return has, plan.present


def test_rows_keep_one_of_what_they_have(toy_training: Callable) -> None:
    method = ModalityDropout(Config(rate=0.95))
    training = toy_training(method)
    for batch in training.batches:
        batch.present[0] = torch.tensor([True, False, False])
    has, left = planned(training, method)
    assert (left & ~has).sum() == 0
    assert torch.equal(left.any(dim=1), has.any(dim=1))
    assert left.sum() < 0.5 * has.sum()


def test_rates_per_sensor(toy_training: Callable) -> None:
    method = ModalityDropout(Config(rate=0.0, rates={"lidar": 0.5, "wifi": 0.9}))
    training = toy_training(method)
    hidden = torch.zeros(3)
    for epoch in range(40):
        training.epoch = epoch
        has, left = planned(training, method)
        hidden += (has & ~left).float().sum(dim=0) / has.float().sum(dim=0) / 40
    assert hidden[0] == hidden[2] == 0
    # 24 rows in 40 epochs: a standard error of 0.017.
    assert float(hidden[1]) == pytest.approx(0.5, abs=0.07)


def test_epochs_differ_and_what_another_method_hides_stays_hidden(toy_training: Callable) -> None:
    method = ModalityDropout()
    training = toy_training(method)
    plan = training.plan()
    narrowed = EpochPlan(indices=plan.indices, present=plan.present & torch.tensor([True, False, True]))
    plans = []
    for epoch in range(2):
        training.epoch = epoch
        plans.append(method.plan_epoch(narrowed, training.view()).present)
        assert not plans[-1][:, 1].any()
    assert not torch.equal(*plans)


def test_a_rate_of_zero_is_plain(toy_training: Callable) -> None:
    training = toy_training(ModalityDropout(Config(rate=0.0)))
    assert training.method.plan_epoch(plan := training.plan(), training.view()) is plan


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": 1.0}, r"modality_dropout\.rate must lie in \[0, 1\), got 1"),
        ({"rates": {"rgb": -0.1}}, r"modality_dropout\.rates\['rgb'\] must lie in \[0, 1\)"),
        ({"rates": {"sonar": 0.1}}, "unknown sensor 'sonar'"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
