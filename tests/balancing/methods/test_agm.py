from __future__ import annotations

from collections.abc import Callable
from math import exp

import pytest
import torch

from equipose.balancing.method import Method
from equipose.balancing.methods.agm import AGM, modulation, mono_modal_ratios, scaled_paths


def test_ratios_by_hand() -> None:
    found = mono_modal_ratios(torch.tensor([-1.0, -2.0, -4.0]))
    # The geometric mean of exp(s_m - s_n) over the two others.
    assert found.tolist() == pytest.approx([exp((1 + 3) / 2), exp((-1 + 2) / 2), exp((-3 - 2) / 2)])
    assert mono_modal_ratios(torch.tensor([-1.0, -2.0])).tolist() == pytest.approx([exp(1), exp(-1)])


def test_a_modality_better_than_usual_is_slowed() -> None:
    """The sign, which some published code has the wrong way round."""
    kappa = modulation(torch.tensor([-0.5, -1.0]), torch.tensor([-1.0, -1.0]), alpha=0.7)
    assert kappa[0] < 1 < kappa[1]
    assert kappa.tolist() == pytest.approx([exp(0.7 * (1 - exp(0.5))), exp(0.7 * (1 - exp(-0.5)))])


def test_scaled_paths_by_hand() -> None:
    responses = torch.tensor([[1.0, 2.0]], requires_grad=True)[..., None, None]
    pose = responses.sum(dim=1) + 5
    loss = (pose**2).sum()
    term = scaled_paths(loss, pose, responses, torch.tensor([0.5, 3.0]))
    (gradient,) = torch.autograd.grad(loss + term, responses)
    assert term.item() == 0
    assert gradient.flatten().tolist() == [0.5 * 16, 3 * 16]


@pytest.mark.parametrize("scale", ["responses", "encoders"])
@pytest.mark.parametrize("num_modalities", [2, 3, 4])
def test_gradients_of_a_concatenation(scale: str, num_modalities: int, toy_training: Callable) -> None:
    """phi_m = W_m f_m there, so kappa_m multiplies the gradients of encoder m and, as published, of W_m."""
    method = AGM(AGM.Config(scale=scale))  # type: ignore[arg-type]
    training = toy_training(method, num_modalities)
    plain = toy_training(Method(), num_modalities)
    for each in (training, plain):
        each.batches = each.batches[:1]
    # A history makes this step's scores differ from the usual ones.
    method.load_state_dict({"count": 3, "running": -torch.arange(1.0, num_modalities + 1).double()})
    for each in (training, plain):
        each.run_epoch()
    factors = [training.logged[f"method/coefficient/{m}"] for m in training.model.modalities]
    assert max(abs(f - 1) for f in factors) > 0.05
    reference = dict(plain.model.named_parameters())
    for modality, factor in zip(training.model.modalities, factors, strict=True):
        for name, parameter in training.model.encoders[modality].named_parameters():
            expected = factor * reference[f"encoders.{modality}.{name}"].grad
            torch.testing.assert_close(parameter.grad, expected)
    columns = torch.tensor(factors).repeat_interleave(6) if scale == "responses" else 1.0
    torch.testing.assert_close(training.model.fusion.weight.grad, reference["fusion.weight"].grad * columns)
    torch.testing.assert_close(training.model.fusion.bias.grad, reference["fusion.bias"].grad)


def test_running_mean(toy_training: Callable) -> None:
    method = AGM()
    training = toy_training(method)
    training.batches = training.batches[:1]
    training.run_epoch()
    first = method.running
    assert method.factors is not None
    assert torch.allclose(method.factors, torch.ones(3, dtype=torch.float64)), "one step is its own history"
    training.run_epoch()
    assert method.count == 2
    assert first is not None
    assert method.running is not None
    assert not torch.equal(method.running, first)


def test_zero_alpha_is_plain(toy_training: Callable) -> None:
    still = toy_training(AGM(AGM.Config(alpha=0.0))).fit(2).weights()
    assert torch.equal(still, toy_training(Method()).fit(2).weights())


@pytest.mark.parametrize(("field", "value"), [("alpha", -1.0), ("scale", "both"), ("temperature", -0.1)])
def test_rejects(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"agm\.{field} must"):
        AGM.Config(**{field: value})  # type: ignore[arg-type]
