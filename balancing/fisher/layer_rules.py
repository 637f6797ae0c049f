"""How each kind of layer turns one call into its per-sample parameter gradients.

The gradient of a weight for one sample is `sum over positions p of outer(g[p], a[p])`, with `g` the
gradient at the layer's output and `a` what the weight multiplied. A convolution is a linear layer on the
unfolded input; further calls of a shared layer are further terms of the sum.

Legend: B samples, k rows per sample (1, or more where other axes are folded into the batch behind it),
P positions, I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CACHED = 2**17
"""Numbers processed at a time, half a megabyte in single precision, so that they stay in cache."""


class Outer(NamedTuple):
    """Per-sample gradients [B, O, I] as a sum of outer products over positions, not yet formed."""

    gradient: Tensor
    """[B, P..., O], any number of axes for the positions."""
    inputs: Tensor
    """[B, P..., I...], any number of axes for I; a view: unfolding all samples would leave the cache."""
    kernel: int = 1
    """How many kernel positions lie along I, each with all input channels."""


Gradients = dict[str, Outer | Tensor]
"""A layer's parameter name -> its per-sample gradient, factored or formed [B, O]."""

Rule = Callable[[nn.Module, Tensor, Tensor, int], Gradients]
"""(layer, its input, the gradient at its output, B) -> per-sample gradients."""


def linear(layer: nn.Module, inputs: Tensor, gradient: Tensor, size: int) -> Gradients:
    """`nn.Linear` on [B k, ..., I]."""
    g = gradient.reshape(size, -1, gradient.shape[-1])
    return {"weight": Outer(g, inputs.reshape(size, -1, inputs.shape[-1])), "bias": g.sum(1)}


def convolution(layer: nn.Module, inputs: Tensor, gradient: Tensor, size: int) -> Gradients:
    """`nn.Conv1d` and `nn.Conv2d` with zero padding and one group, on [B k, I, ...]."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    g = gradient.movedim(1, -1).unflatten(0, (size, -1))
    patches = _patches(layer, inputs).unflatten(0, (size, -1))
    found: Gradients = {"weight": Outer(g, patches, math.prod(layer.kernel_size))}
    if layer.bias is not None:
        found["bias"] = g.flatten(1, -2).sum(1)
    return found


def batch_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor, size: int) -> Gradients:
    """Batch normalisation by running statistics, on [B k, C, ...]."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    shape = (size, -1, inputs.shape[1], inputs[0, 0].numel())
    g = gradient.reshape(shape)
    moved = (inputs.reshape(shape) - layer.running_mean[:, None]).mul_(g)
    scale = (layer.running_var + layer.eps).rsqrt()
    return {"weight": moved.sum((1, 3)) * scale, "bias": g.sum((1, 3))}


def group_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor, size: int) -> Gradients:
    """`nn.GroupNorm` on [B k, C, ...]."""
    assert isinstance(layer, nn.GroupNorm)
    shape = (size, -1, inputs.shape[1], inputs[0, 0].numel())
    g = gradient.reshape(shape)
    normal = F.group_norm(inputs, layer.num_groups, eps=layer.eps).reshape(shape)
    return {"weight": normal.mul_(g).sum((1, 3)), "bias": g.sum((1, 3))}


def layer_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor, size: int) -> Gradients:
    """`nn.LayerNorm` on [B k, ..., *normalized_shape]."""
    assert isinstance(layer, nn.LayerNorm)
    g = gradient.reshape(size, -1, layer.weight.numel())
    normal = F.layer_norm(inputs, layer.normalized_shape, eps=layer.eps).reshape(g.shape)
    return {"weight": normal.mul_(g).sum(1), "bias": g.sum(1)}


def summed_squares(calls: list[Outer | Tensor]) -> Tensor:
    """Sum over samples of the squared gradient, [O, I] or [O]; calls of a shared layer are added first."""
    terms = [call for call in calls if isinstance(call, Outer)]
    if not terms:
        return torch.stack([call for call in calls if isinstance(call, Tensor)]).sum(0).square().sum(0)
    return _outer_squares(terms).unflatten(1, (terms[0].kernel, -1)).mT


def _outer_squares(terms: list[Outer]) -> Tensor:
    """Sum over samples of the squared sum over terms and positions of outer products, [O, I]."""
    size, outputs = len(terms[0].gradient), terms[0].gradient.shape[-1]
    inputs = terms[0].inputs.numel() * outputs // terms[0].gradient.numel()
    if len(terms) == 1 and terms[0].gradient.numel() == size * outputs:
        return terms[0].gradient.reshape(size, -1).square().T @ terms[0].inputs.reshape(size, -1).square()
    total = terms[0].inputs.new_zeros(outputs, inputs)
    step = max(1, CACHED // max(total.numel(), *(term.inputs[0].numel() for term in terms)))
    for start in range(0, size, step):
        part = slice(start, start + step)
        g = _joined([term.gradient[part].flatten(1, -2) for term in terms])
        a = _joined([term.inputs[part].reshape(len(g), -1, inputs) for term in terms])
        total += torch.bmm(g.mT, a).square_().sum(0)
    return total


def rule_of(layer: nn.Module) -> Rule | None:
    """The rule for a layer, or None if no rule is exact for it."""
    for kind, rule in RULES.items():
        if isinstance(layer, kind):
            return rule if _supported(layer) else None
    return None


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.modules.batchnorm._BatchNorm: batch_norm,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: layer_norm,
}
"""Layer class -> rule; subclasses are included, and `fisher_diagonal` checks their results."""


def _supported(layer: nn.Module) -> bool:
    """False for variants of a known layer that its rule does not cover."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        plain = layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)
        return plain and layer.groups == 1
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return layer.running_mean is not None
    return True


def _patches(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    """What the weight multiplies: [R, I, ...] to a view [R, positions ..., kernel ..., I].

    Channels last, so that copying it moves runs of channels; far faster than `F.unfold` on small maps.
    """
    assert isinstance(layer.padding, tuple)
    edges = [width for pad in reversed(layer.padding) for width in (pad, pad)]
    view = F.pad(inputs, edges).movedim(1, -1).contiguous()
    axes = range(1, view.dim() - 1)
    for axis, kernel, step, dilation in zip(
        axes, layer.kernel_size, layer.stride, layer.dilation, strict=True
    ):
        view = view.unfold(axis, (kernel - 1) * dilation + 1, step)[..., ::dilation]
    return view.movedim(len(axes) + 1, -1)


def _joined(tensors: list[Tensor]) -> Tensor:
    """One tensor along the positions; a single one is not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)
