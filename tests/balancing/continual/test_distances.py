from __future__ import annotations

import torch

from equipose.balancing.continual.distances import distance_to
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng


def test_what_only_rounding_separates_has_no_gradient() -> None:
    former = torch.randn(2, 17, 3, generator=torch_rng(0, "poses")) + 3
    near = (former + 1e-6).requires_grad_()
    (gradient,) = torch.autograd.grad(distance_to(mpjpe, near, former).sum(), near)
    assert not gradient.any()
    (gradient,) = torch.autograd.grad(mpjpe(near, former).sum(), near)
    assert gradient.abs().max() > 0.01, "the plain distance would have one"


def test_elsewhere_it_is_the_tasks_distance() -> None:
    former = torch.randn(2, 17, 3, generator=torch_rng(1, "poses"))
    away = (former + 0.01).requires_grad_()
    assert torch.equal(distance_to(mpjpe, away, former), mpjpe(away, former))
    both = [distance_to(mpjpe, away, former), mpjpe(away, former)]
    first, second = (torch.autograd.grad(values.sum(), away)[0] for values in both)
    assert torch.equal(first, second)
