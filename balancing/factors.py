"""How each kind of layer turns one call into its per-sample parameter gradients.

The gradient of a weight for one sample is `sum over positions p of outer(g[p], a[p])`, with `g` the
gradient at the layer's output and `a` what the weight multiplied. Convolutions and linear layers are the
same thing once the input is unfolded; calls of a shared layer are more positions of the same sum.

Legend: R rows (the first axis of a call), P positions, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Factors(NamedTuple):
    """One call's share of a parameter gradient, row by row."""

    gradient: Tensor
    """[R, P, O]."""
    inputs: Tensor | None
    """[R, P, I], or None where the gradient is simply summed over positions."""


Rule = Callable[[nn.Module, Tensor, Tensor], dict[str, Factors]]
"""(layer, its input, the gradient at its output) -> parameter name -> factors."""


def linear(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """`nn.Linear` on [R, ..., I]."""
    rows = len(inputs)
    g = gradient.reshape(rows, -1, gradient.shape[-1])
    return {"weight": Factors(g, inputs.reshape(rows, -1, inputs.shape[-1])), "bias": Factors(g, None)}


def convolution(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """`nn.Conv1d` and `nn.Conv2d` with zero padding and one group."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    flat = isinstance(layer, nn.Conv1d)
    image = inputs.unsqueeze(2) if flat else inputs

    def pair(values: tuple[int, ...], filler: int) -> tuple[int, ...]:
        return (filler, *values) if flat else values

    assert isinstance(layer.padding, tuple)
    if set(layer.kernel_size) == {1} and set(layer.stride) == {1} and set(layer.padding) == {0}:
        patches = inputs.flatten(2)
        g = gradient.flatten(2).transpose(1, 2)
        return {"weight": Factors(g, patches.transpose(1, 2)), "bias": Factors(g, None)}
    patches = F.unfold(
        image,
        pair(layer.kernel_size, 1),
        dilation=pair(layer.dilation, 1),
        padding=pair(layer.padding, 0),
        stride=pair(layer.stride, 1),
    )
    g = gradient.flatten(2).transpose(1, 2)
    return {"weight": Factors(g, patches.transpose(1, 2)), "bias": Factors(g, None)}


def batch_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """Batch normalisation by running statistics, on [R, C, ...]."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    normal = F.batch_norm(inputs, layer.running_mean, layer.running_var, eps=layer.eps)
    return _channel_affine(normal, gradient)


def group_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """`nn.GroupNorm` on [R, C, ...]."""
    assert isinstance(layer, nn.GroupNorm)
    return _channel_affine(F.group_norm(inputs, layer.num_groups, eps=layer.eps), gradient)


def layer_norm(layer: nn.Module, inputs: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """`nn.LayerNorm` on [R, ..., *normalized_shape]."""
    assert isinstance(layer, nn.LayerNorm)
    normal = F.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
    shape = (len(inputs), -1, layer.weight.numel())
    g = gradient.reshape(shape)
    return {"weight": Factors(g * normal.reshape(shape), None), "bias": Factors(g, None)}


def rule_of(layer: nn.Module) -> Rule | None:
    """The rule for a layer, or None where none is exact for it."""
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
"""Layer class -> rule; subclasses are included, and `fisher` checks that their results are right."""


def _supported(layer: nn.Module) -> bool:
    """False for variants of a known layer that its rule does not cover."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        plain = layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)
        return plain and layer.groups == 1
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return layer.running_mean is not None
    return True


def _channel_affine(normal: Tensor, gradient: Tensor) -> dict[str, Factors]:
    """Scale and shift per channel of [R, C, ...]."""

    def positions(tensor: Tensor) -> Tensor:
        return tensor.reshape(*tensor.shape[:2], -1).transpose(1, 2)

    return {
        "weight": Factors(positions(gradient * normal), None),
        "bias": Factors(positions(gradient), None),
    }
