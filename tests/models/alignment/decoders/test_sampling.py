"""The diffusion solves its own equations, and samplers reproduce a distribution that is known exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.models.alignment.decoders.samplers import SAMPLERS, Sampling
from equipose.models.alignment.decoders.sde import alpha, beta, sigma, squared_diffusion

MEAN, SPREAD = 0.8, 0.3


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def exact(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The best predictor where poses are normal with MEAN and SPREAD."""
    gain = alpha(t) * SPREAD**2 / (alpha(t) ** 2 * SPREAD**2 + sigma(t) ** 2)
    clean = MEAN + gain * (x - alpha(t) * MEAN)
    return clean, (x - alpha(t) * clean) / sigma(t)


def draws(sampler: str, steps: int, count: int = 4000) -> Tensor:
    """Samples [count, 2]."""
    generator = rng()

    def normal() -> Tensor:
        return torch.randn(count, 2, generator=generator, dtype=torch.float64)

    return SAMPLERS[sampler](exact, normal(), steps, normal)


def test_mean_and_variance_solve_the_equation() -> None:
    t = torch.linspace(0.01, 1, 50, dtype=torch.float64, requires_grad=True)
    (change,) = torch.autograd.grad(alpha(t).sum(), t)
    torch.testing.assert_close(change, -0.5 * beta(t) * alpha(t))
    (change,) = torch.autograd.grad((sigma(t) ** 2).sum(), t)
    torch.testing.assert_close(change, -beta(t) * sigma(t) ** 2 + squared_diffusion(t))
    assert alpha(torch.tensor(1.0)).item() == pytest.approx(0.0066, abs=1e-4)
    assert sigma(torch.tensor(0.0)) == 0


@pytest.mark.parametrize(("sampler", "steps"), [("sde", 400), ("probability_flow", 400), ("ddim", 100)])
def test_samples_have_the_mean_and_the_spread(sampler: str, steps: int) -> None:
    found = draws(sampler, steps)
    assert found.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert found.std().item() == pytest.approx(SPREAD, rel=0.06)


def test_the_mode_flow_ends_at_the_mode() -> None:
    found = draws("mode_flow", 400)
    assert found.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert found.std().item() < SPREAD / 4


def test_a_single_step_of_ddim_is_the_estimate_at_the_start() -> None:
    found = draws("ddim", 1, count=5)
    start = torch.randn(5, 2, generator=rng(), dtype=torch.float64)
    assert torch.equal(found, exact(start, torch.ones((), dtype=torch.float64))[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_the_stochastic_equation_draws_on_the_way(sampler: str) -> None:
    calls = []

    def normal() -> Tensor:
        calls.append(1)
        return torch.zeros(4, 2, dtype=torch.float64)

    SAMPLERS[sampler](exact, torch.ones(4, 2, dtype=torch.float64), 7, normal)
    assert len(calls) == (7 if sampler == "sde" else 0)


def test_labels_name_sampler_steps_and_hypotheses() -> None:
    assert Sampling().label == "ddim, 5 steps, 1 hypothesis"
    several = Sampling(sampler="sde", steps=1, hypotheses=10)
    assert several.label == "sde, 1 step, mean of 10 hypotheses"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"sampler": "euler"}, "'euler' is unknown"), ({"steps": 0}, "steps=0"), ({"hypotheses": 0}, "hypot")],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sampling(**change)
