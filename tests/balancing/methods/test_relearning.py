from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from equipose.balancing.methods.relearning import Relearning, pulled
from equipose.balancing.parts.diagnosis import diagnosis_gaps

Config = Relearning.Config


def test_pulled() -> None:
    assert pulled(torch.tensor([4.0]), torch.tensor([0.0]), 0.25).tolist() == [3.0]


def test_encoders_move_by_the_equation_and_nothing_else_does(toy_training: Callable) -> None:
    training = toy_training(Relearning(Config(every=2)), norm="batch")
    first = {name: value.clone() for name, value in training.model.state_dict().items()}
    training.fit(2)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    run = training.view()
    gaps = diagnosis_gaps(run, run.batches(), run.validation_batches(), "probe")
    weights = dict(zip(training.model.modalities, torch.tanh(3 * gaps).tolist(), strict=True))
    training.method.on_epoch_start(run)
    trained = {name for name, _ in training.model.named_parameters()}
    for name, value in training.model.state_dict().items():
        expected = before[name]
        if name.startswith("encoders.") and name in trained:
            weight = weights[name.split(".")[1]]
            expected = weight * first[name] + (1 - weight) * before[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-7)
    assert all(0 < weight < 1 for weight in weights.values())
    assert training.logged["method/relearned/rgb"] == pytest.approx(weights["rgb"])


def test_schedule(toy_training: Callable) -> None:
    method = Relearning(Config(every=2, times=2))
    training = toy_training(method)
    acted = []
    for epoch in range(8):
        training.logged.clear()
        method.on_epoch_start(replace(training.view(), epoch=epoch))
        acted += [epoch] * bool(training.logged)
    assert acted == [2, 4]


def test_no_validation_data(toy_training: Callable) -> None:
    training = toy_training(Relearning(Config(every=1)))
    with pytest.raises(ValueError, match="validation data, but this run has none"):
        training.method.on_epoch_start(replace(training.view(), epoch=1, validation_batches=None))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strength": -1.0}, r"relearning\.strength .* -1"),
        ({"every": 0}, r"relearning\.every must be at least 1"),
        ({"times": -1}, r"relearning\.times"),
        ({"diagnosis": "guess"}, r"relearning\.diagnosis must be one of .*probe"),
        ({"fraction": 1.5}, r"relearning\.fraction"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
