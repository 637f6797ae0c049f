from __future__ import annotations

from collections.abc import Callable
from math import exp, tanh

import pytest
import torch

from equipose.balancing.method import Method
from equipose.balancing.methods.regulated.info_reg import InfoReg, leads, open_windows, pull_back, pulls

Config = InfoReg.Config


def test_leads_over_the_weaker_ones_by_hand() -> None:
    """Scores -0.5, -1, -1.5: (0.5 + 1) / 2 ahead of both, 0.5 ahead of one, and the weakest."""
    assert leads(torch.tensor([-0.5, -1.0, -1.5])).tolist() == pytest.approx([0.75, 0.5, 0.0])
    assert leads(torch.tensor([-1.0, -1.0])).tolist() == [0.0, 0.0]


def test_the_smaller_loss_is_the_stronger_modality() -> None:
    """Scores are minus relative losses; taken as printed, the weakest would be held."""
    losses = torch.tensor([0.1, 0.3])
    ahead = leads(-losses / losses.mean())
    assert ahead.tolist() == pytest.approx([1.0, 0.0])
    assert pulls(ahead, 0.9).tolist() == pytest.approx([exp(0.9 * tanh(1.0)), 0.0])


def test_windows_open_by_relative_growth() -> None:
    latest, before = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([0.95, 0.97, 2.0, 0.0])
    assert open_windows(latest, before, 0.04).tolist() == [True, False, False, False]


def one_step(training, method: InfoReg) -> dict[str, torch.Tensor]:
    training.batches = training.batches[:1]
    training.run_epoch()
    return {name: p.grad.clone() for name, p in training.model.named_parameters()}


def test_the_pull_by_hand(toy_training: Callable) -> None:
    """Encoders 0.1 away in every weight: g + scale alpha_m 0.1 where ahead, g elsewhere."""
    method = InfoReg()
    training, plain = toy_training(method), toy_training(Method())
    held = {name: p.detach() - 0.1 for name, p in training.model.named_parameters()}
    method.on_epoch_start(training.view())
    method.anchor = {name: held[name] for name in method.anchor}
    method.scale = torch.tensor([2.0, 0.0, 2.0], dtype=torch.float64)
    method.on_epoch_start = lambda run: None  # type: ignore[method-assign]
    found, reference = one_step(training, method), one_step(plain, method)
    pull = [training.logged[f"method/pull/{name}"] for name in training.model.modalities]
    assert pull[1] == 0
    assert 2.0 < max(pull) <= 2 * exp(0.9)
    for modality, factor in zip(training.model.modalities, pull, strict=True):
        for name in training.model.encoder_parameters()[modality]:
            torch.testing.assert_close(found[name], reference[name] + factor * 0.1, rtol=1e-4, atol=1e-6)
    for name in ("fusion.weight", "fusion.bias"):
        torch.testing.assert_close(found[name], reference[name])


def test_the_trace_is_the_mean_squared_gradient_of_the_joint_loss(toy_training: Callable) -> None:
    method = InfoReg()
    training, plain = toy_training(method), toy_training(Method())
    one_step(training, method)
    reference = one_step(plain, method)
    expected = [
        sum(float(reference[name].square().sum()) for name in group)
        for group in plain.model.encoder_parameters().values()
    ]
    assert method.trace is not None
    assert (method.trace / method.steps).tolist() == pytest.approx(expected)


def test_a_pull_at_the_last_free_distance_is_as_long_as_the_gradient(toy_training: Callable) -> None:
    method = InfoReg(Config(threshold=-1e6))
    training = toy_training(method).fit(1)
    start = dict(method.anchor)
    method.on_epoch_start(training.view())
    assert method.trace is None
    assert method.scale is not None
    assert method.finished is not None
    for m, group in enumerate(training.model.encoder_parameters().values()):
        moved = sum(float((p.detach() - start[n]).square().sum()) for n, p in group.items()) ** 0.5
        assert float(method.scale[m]) * moved == pytest.approx(float(method.finished[m]) ** 0.5, rel=1e-5)


def test_a_held_encoder_keeps_the_distance_of_its_last_free_epoch(toy_training: Callable) -> None:
    method = InfoReg(Config(threshold=-1e6))
    training = toy_training(method).fit(1)
    method.on_epoch_start(training.view())
    reach = method.reach
    training.fit(2)
    method.on_epoch_start(training.view())
    assert torch.equal(method.reach, reach)  # type: ignore[arg-type]


def test_windows_are_open_from_the_second_epoch(toy_training: Callable) -> None:
    """Whatever the threshold, because information grows from nothing."""
    training, plain = toy_training(InfoReg(Config(threshold=0.99))), toy_training(Method())
    for epochs, same in ((1, True), (2, False)):
        weights = training.fit(epochs).weights(heads=False)
        assert torch.equal(weights, plain.fit(epochs).weights(heads=False)) is same
    assert all(training.logged[f"method/window_open/{m}"] for m in training.model.modalities)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"beta": -1.0}, r"info_reg\.beta .* -1"),
        ({"strength": float("nan")}, r"info_reg\.strength"),
        ({"threshold": 1.0}, r"info_reg\.threshold must be below 1"),
    ],
)
def test_config_messages(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)  # type: ignore[arg-type]


def test_rounding_is_not_pulled_back() -> None:
    """A weight without a real gradient stays where it is, however far rounding has moved it."""
    weight = torch.nn.Parameter(torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64))
    weight.grad = torch.tensor([2.0, 1e-16, 0.0], dtype=torch.float64)
    pull_back({"w": weight}, {"w": torch.zeros(3, dtype=torch.float64)}, 0.5)
    assert weight.grad.tolist() == [2.5, 1e-16, 0.0]


def test_an_encoder_without_gradients_is_left_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    pull_back({"w": weight}, {"w": torch.zeros(2)}, 0.5)
    assert weight.grad is None
