"""What methods do with gradients: scale them, add noise, and compute them loss by loss.

Nothing here communicates with other ranks. Gradients of `backward()` arrive averaged over ranks; those of
`flat_gradient` are this rank's own, because `torch.autograd.grad` bypasses the averaging: apply `Run.mean`
before anything nonlinear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def with_axes(parameters: Iterable[nn.Parameter], dims: int) -> list[nn.Parameter]:
    """The parameters that have a gradient and at least `dims` axes."""
    return [p for p in parameters if p.grad is not None and p.dim() >= dims]


def scale_gradients(parameters: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply every gradient by the factor, in place."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def jitter(gradient: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Gaussian noise of the gradient's shape; its standard deviation is `strength` times the gradient's.

    rng: a generator that is equal on all ranks (`Step.rng`), so that replicas get the same noise. If the
    gradient is on another device, it seeds a generator there, which is faster than copying noise.
    """
    device = gradient.device
    if rng.device != device:
        key = int(torch.randint(1 << 62, (), generator=rng))
        rng = torch.Generator(device=device).manual_seed(key)
    noise = torch.randn(gradient.shape, generator=rng, dtype=gradient.dtype, device=device)
    return noise * (strength * gradient.std(correction=0))


def flat_gradient(loss: Tensor, parameters: Sequence[nn.Parameter], *, keep_graph: bool) -> Tensor:
    """[P] gradient of one loss in all parameters, zero where the loss does not depend on one.

    keep_graph: keep the graph for the gradient of another loss.
    """
    found = torch.autograd.grad(loss, parameters, retain_graph=keep_graph, allow_unused=True)
    return torch.cat(
        [
            torch.zeros_like(p).flatten() if g is None else g.flatten()
            for g, p in zip(found, parameters, strict=True)
        ]
    )


def assign_gradients(flat: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Set the parameters' gradients from a flat one [P], laid out as by `flat_gradient`."""
    pieces = flat.split([p.numel() for p in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.grad = piece.view_as(parameter).clone()


def min_norm_weights(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Weights, at least 0 and summing to 1, that make the mix of two gradients [P] as short as possible.

    The closed form for two of the min-norm problem (Desideri 2012; Sener and Koltun 2018, eq. for two
    tasks). Equal gradients get equal weights.
    """
    difference = (first - second).double()
    size = float(difference.square().sum())
    if size == 0:
        return 0.5, 0.5
    weight = float((difference * -second.double()).sum()) / size
    weight = min(max(weight, 0.0), 1.0)
    return weight, 1.0 - weight
