from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from toy_stream import ToyStream

from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.continual.penalties.ewc_adaptive import REST, AdaptiveEWC, Measured, groups_of
from equipose.balancing.continual.penalties.sensor_factors import (
    LEAST,
    by_drift,
    by_inverse_share,
    by_share,
    sensor_factors,
)
from equipose.balancing.continual.weights import trained_parameters

Config = AdaptiveEWC.Config


def test_factors_by_share() -> None:
    assert by_share(torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)).tolist() == [1.5, 1.5, LEAST]
    inverse = by_inverse_share(torch.tensor([0.75, 0.25], dtype=torch.float64))
    assert inverse.tolist() == pytest.approx([0.5, 1.5])


def test_factors_by_drift() -> None:
    before = torch.tensor([0.1, 0.1, 0.2], dtype=torch.float64)
    now = torch.tensor([0.1, 0.2, 0.1], dtype=torch.float64)
    assert by_drift(before, now, 1.0).tolist() == pytest.approx([1.0, 0.5, 2.0])
    assert by_drift(before, now, 0.5).tolist() == pytest.approx([1.0, 1 / 1.5, 1 / 0.75])


def test_equal_sensors_have_factors_of_one() -> None:
    equal, errors = torch.full((4,), 0.25, dtype=torch.float64), torch.full((4,), 0.1, dtype=torch.float64)
    for rule in ("none", "share", "inverse", "drift"):
        assert sensor_factors(rule, equal, errors, errors, 1.0).tolist() == pytest.approx([1.0] * 4)


def test_groups_hold_every_weight_once(toy_training: Callable[..., Any]) -> None:
    run = ToyStream(toy_training, Config()).training(0).view()
    groups = groups_of(run)
    names = [name for group in groups.values() for name in group]
    assert sorted(names) == sorted(trained_parameters(run.model))
    assert set(groups[REST]) == {"fusion.weight", "fusion.bias"}


def test_without_control_and_rule_it_is_ewc(toy_training: Callable[..., Any]) -> None:
    options = {"dtype": torch.float64}
    plain = ToyStream(toy_training, EWC.Config(strength=5.0), options).run(2, 2)
    adaptive = ToyStream(toy_training, Config(strength=5.0, control=False), options).run(2, 2)
    torch.testing.assert_close(adaptive.weights(), plain.weights(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("worst", "level"), [(0.0, 0.25), (1e6, 1.0)])
def test_the_level_falls_until_the_task_is_learned(
    worst: float, level: float, toy_training: Callable[..., Any]
) -> None:
    stream = ToyStream(toy_training, Config(strength=2.0))
    stream.run(1, 1)
    training = stream.training(1)
    (task,) = training.method.measured
    training.method.measured = [Measured(shares=task.shares, alone=task.alone, error=worst)]
    training.fit(3)
    assert training.method.level == level
    assert training.logged["ewc/lambda/rgb"] == pytest.approx(20.0 * level)
    assert training.logged[f"ewc/lambda/{REST}"] == pytest.approx(20.0 * level)


def test_a_group_is_held_by_its_own_factor(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, Config(strength=2.0, per_sensor="share", control=False))
    stream.run(1, 2)
    training = stream.training(1)
    training.method.on_epoch_start(training.view())
    (task,), (factors,) = training.method.measured, training.method.factors
    assert float(task.shares.sum()) == pytest.approx(1.0)
    assert factors.tolist() == pytest.approx((3 * task.shares).clamp_min(LEAST).tolist())
    for modality, factor in zip(training.model.modalities, factors.tolist(), strict=True):
        assert training.logged[f"ewc/lambda/{modality}"] == pytest.approx(2.0 * factor)


def test_online_keeps_one_anchor_and_the_worst_error(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, Config(online=True))
    first = stream.run(1, 1).method.measured[0].error
    second = stream.training(1).fit(1)
    second.method.measured = [Measured(shares=torch.ones(3) / 3, alone=torch.ones(3), error=first + 10)]
    second.method.on_task_end(second.view())
    assert len(second.method.anchors) == 1
    assert [task.error for task in second.method.measured] == [first + 10]
