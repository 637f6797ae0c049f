from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from equipose.balancing.methods.relearning import Relearning, leads, pulled
from equipose.balancing.parts.diagnosis import diagnosis_gaps
from equipose.balancing.shapley.shares import coalition_pass, contributions
from equipose.balancing.shapley.value_functions import pearson_profit

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


def test_shapley_gap_is_that_of_the_mean_correlation(toy_training: Callable) -> None:
    """The values of all sensors sum to the model's mean correlation, so the gaps bound its gap."""
    training = toy_training(Relearning(Config(diagnosis="shapley", every=1))).fit(2)
    run, players = training.view(), 3
    values = [
        contributions(coalition_pass(run, batches), players) / 51
        for batches in (run.batches(), run.validation_batches())
    ]
    full = [
        pearson_profit(coalition_pass(run, b))[-1] / 51 for b in (run.batches(), run.validation_batches())
    ]
    for value, mean_correlation in zip(values, full, strict=True):
        assert float(value.sum()) == pytest.approx(float(mean_correlation))
    expected = torch.tanh(3 * (values[0] - values[1]).abs())
    training.method.on_epoch_start(run)
    for modality, weight in zip(training.model.modalities, expected.tolist(), strict=True):
        assert 0 < weight < 1
        assert training.logged[f"method/relearned/{modality}"] == pytest.approx(weight)


def test_leads() -> None:
    assert leads(torch.tensor([0.7, 0.3])).tolist() == pytest.approx([0.4, 0.0])
    assert leads(torch.tensor([0.5, 0.25, 0.25])).tolist() == pytest.approx([0.25, 0.0, 0.0])
    assert leads(torch.tensor([1.0])).tolist() == [0.0]


def test_lead_pulls_only_sensors_ahead_and_needs_no_validation_data(toy_training: Callable) -> None:
    training = toy_training(Relearning(Config(diagnosis="lead", every=1, lead_strength=2.0))).fit(3)
    run = replace(training.view(), validation_batches=None)
    scores = contributions(coalition_pass(run, run.batches()), 3)
    before = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    training.method.on_epoch_start(run)
    ahead = scores.clamp_min(0) / scores.clamp_min(0).sum() > 1 / 3
    assert 0 < int(ahead.sum()) < 3
    for modality, first in zip(training.model.modalities, ahead.tolist(), strict=True):
        moved = [not torch.equal(p, before[f"encoders.{modality}.{n}"])
                 for n, p in training.model.encoders[modality].named_parameters()]  # fmt: skip
        assert all(moved) if first else not any(moved)


def test_the_reference_is_the_start_of_the_current_task(toy_training: Callable) -> None:
    training = toy_training(Relearning(Config(every=1))).fit(2)
    first = {name: value.clone() for name, value in training.method.initial.items()}
    training.method.on_task_end(training.view())
    now = {n: p.detach() for g in training.model.encoder_parameters().values() for n, p in g.items()}
    assert all(torch.equal(value, now[name]) for name, value in training.method.initial.items())
    assert any(not torch.equal(value, first[name]) for name, value in training.method.initial.items())
    with torch.no_grad():
        training.model.encoders["rgb"][0].weight += 1
    training.epoch = 0
    training.method.on_epoch_start(training.view())
    assert torch.equal(
        training.method.initial["encoders.rgb.0.weight"], training.model.encoders["rgb"][0].weight.detach()
    )


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
        ({"lead_strength": -1.0}, r"relearning\.lead_strength"),
        ({"fraction": 1.5}, r"relearning\.fraction"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
