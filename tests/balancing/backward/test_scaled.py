"""Loss scaling: exact factors, overflow drops a step and halves the factor, long luck doubles it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from equipose.balancing.backward import scaled as module
from equipose.balancing.backward.scaled import Backward, LossScale


def weight(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def test_gradients_are_those_without_scaling() -> None:
    plain, scaled = weight(0.3, -0.7), weight(0.3, -0.7)
    assert Backward()(plain.sin().sum(), [plain])
    assert Backward(scale=LossScale())(scaled.sin().sum(), [scaled])
    assert plain.grad is not None
    assert scaled.grad is not None
    assert torch.equal(plain.grad, scaled.grad)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_an_overflow_drops_every_gradient_and_halves_the_factor(bad: float) -> None:
    scale = LossScale(factor=8.0, clean=5)
    fine, overflowed = weight(1.0), weight(1.0)
    fine.grad, overflowed.grad = torch.ones(1), torch.tensor([bad])
    assert not scale.unscale([fine, overflowed])
    assert (scale.factor, scale.clean) == (4.0, 0)
    assert fine.grad is None
    assert overflowed.grad is None


def test_the_factor_doubles_after_clean_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROW_AFTER", 3)
    scale, moving = LossScale(factor=4.0), weight(1.0)
    factors = []
    for _ in range(4):
        moving.grad = torch.ones(1)
        assert scale.unscale([moving])
        factors.append(scale.factor)
    assert factors == [4.0, 4.0, 8.0, 8.0]


def test_gradients_that_no_factor_saves_are_an_error() -> None:
    moving = weight(1.0)
    moving.grad = torch.tensor([torch.inf])
    with pytest.raises(ValueError, match="not finite even with an unscaled loss; use bf16"):
        LossScale(factor=1.0).unscale([moving])


def test_its_state_comes_back() -> None:
    other = LossScale()
    other.load_state_dict(LossScale(factor=32.0, clean=7).state_dict())
    assert other == LossScale(factor=32.0, clean=7)
