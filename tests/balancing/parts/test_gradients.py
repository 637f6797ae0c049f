from __future__ import annotations

import pytest
import torch
from torch import nn

from equipose.balancing.parts.gradients import (
    assign_gradients,
    flat_gradient,
    jitter,
    min_norm_weights,
    scale_gradients,
    with_axes,
)


def test_scale_and_selection() -> None:
    weight, bias, idle = (
        nn.Parameter(torch.ones(2, 2)),
        nn.Parameter(torch.ones(2)),
        nn.Parameter(torch.ones(2)),
    )
    weight.grad, bias.grad = torch.full((2, 2), 3.0), torch.full((2,), 3.0)
    scale_gradients([weight, bias, idle], 0.5)
    assert weight.grad.tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert idle.grad is None
    assert with_axes([weight, bias, idle], 2) == [weight]
    assert len(with_axes([weight, bias, idle], 0)) == 2


def test_jitter_has_the_requested_deviation() -> None:
    gradient = torch.randn(200, 200) * 7 + 3
    noise = jitter(gradient, 0.5, torch.Generator().manual_seed(1))
    assert noise.std().item() == pytest.approx(3.5, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.1)
    again = jitter(gradient, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(noise, again)
    assert jitter(torch.ones(1, 1), 1.0, torch.Generator()).item() == 0


def test_flat_gradient_and_back() -> None:
    a, b, unused = (nn.Parameter(torch.tensor(v)) for v in ([1.0, 2.0], [[3.0]], [9.0]))
    loss = (a * a).sum() + 5 * b.sum()
    flat = flat_gradient(loss, [a, b, unused], keep_graph=True)
    assert flat.tolist() == [2, 4, 5, 0]
    assert all(p.grad is None for p in (a, b, unused))
    loss.backward()
    assign_gradients(2 * flat, [a, b, unused])
    assert a.grad is not None
    assert a.grad.tolist() == [4, 8]
    assert b.grad is not None
    assert b.grad.tolist() == [[10]]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, 0.0], [0.0, 1.0], 0.5),
        ([1.0, 0.0], [0.0, 3.0], 0.9),  # minimise w^2 + 9 (1 - w)^2
        ([1.0, 0.0], [2.0, 0.0], 1.0),
        ([4.0, 1.0], [1.0, 0.0], 0.0),
        ([1.0, 0.0], [-3.0, 0.0], 0.75),
        ([2.0, 2.0], [2.0, 2.0], 0.5),
    ],
)
def test_min_norm(first: list[float], second: list[float], expected: float) -> None:
    weights = min_norm_weights(torch.tensor(first), torch.tensor(second))
    assert weights == pytest.approx((expected, 1 - expected))


def test_min_norm_beats_every_other_mix() -> None:
    for seed in range(20):
        a, b = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed))
        found, _ = min_norm_weights(a, b)
        best = min((w * a + (1 - w) * b).norm().item() for w in torch.linspace(0, 1, 101))
        assert (found * a + (1 - found) * b).norm().item() <= best + 1e-6
