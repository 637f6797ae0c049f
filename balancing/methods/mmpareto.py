"""MMPareto: reconcile the joint and the unimodal gradient of each encoder, without losing length.

Wei and Hu, "MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance", ICML 2024. For each
encoder, with g_mm the gradient of the joint loss and g_u that of the modality's own head:

    k = (1/2, 1/2) where cos(g_mm, g_u) > 0, else the weights of the shortest mix (min-norm)
    g = 2 k_mm g_mm + 2 k_u g_u,  then  g <- gamma * max(1, |g_mm + g_u| / |g|) * g

The official code takes both norms of the last step tensor by tensor (`stretch="tensor"`). Fusion and heads
keep the plain sum. Nothing here is specific to classification, so poses need no change. Other losses, such as
penalties, are added after the mixing.

`gamma` and the length are for SGD. Adam divides a gradient by its own running size, so a constant factor
changes nothing there; what acts is the direction. So the losses of the heads have a `weight` against the
joint loss (ours; 1 is published): g_u is that of the weighted loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import assign_gradients, flat_gradient, min_norm_weights
from equipose.balancing.search_spaces import searched


def mixing_weights(joint: Tensor, own: Tensor) -> tuple[float, float]:
    """(k_mm, k_u) for two gradients [P]: halves unless they conflict."""
    return (0.5, 0.5) if float(joint @ own) > 0 else min_norm_weights(joint, own)


def mixed(
    joint: Tensor, own: Tensor, gamma: float, keep_length: bool, sizes: Sequence[int] | None = None
) -> tuple[Tensor, float]:
    """The encoder's gradient [P] from its two, and k_u.

    sizes: of the pieces that are lengthened each by itself, P in sum; None: the gradient is one piece.
    Opposite gradients mix to zero, which no factor can lengthen; the result stays zero.
    """
    k_joint, k_own = mixing_weights(joint, own)
    found = 2 * k_joint * joint + 2 * k_own * own
    if keep_length:
        sizes = [len(found)] if sizes is None else list(sizes)
        pairs = zip(found.split(sizes), (joint + own).split(sizes), strict=True)
        found = torch.cat([lengthened(piece, float(whole.norm())) for piece, whole in pairs])
    return gamma * found, k_own


def lengthened(gradient: Tensor, wanted: float) -> Tensor:
    """The gradient at the wanted length, or as it is where it is longer or zero."""
    length = float(gradient.norm())
    return wanted / length * gradient if 0 < length < wanted else gradient


class MMPareto(Method):
    """Gradient integration per encoder; owns the backward pass and needs unimodal heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The official code's values, but for `stretch`: there it is by tensor."""

        weight: float = searched(1.0, low=0.1, high=10.0)
        """Of the heads' losses; the more, the more each encoder learns for itself. Ours, 1 is published."""
        gamma: float = 1.5
        """Factor on every encoder's gradient, for the gradient noise that shorter gradients lose. With
        Adam it only acts against clipping, weight decay or a penalty, so tuning leaves it."""
        keep_length: bool = True
        """Lengthen a mix that is shorter than the plain sum."""
        stretch: Literal["encoder", "tensor"] = "encoder"
        """What is lengthened as one: an encoder's gradient, whose direction this keeps, or each parameter
        tensor by itself as in the official code, which turns the encoder's gradient."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("weight", "gamma"):
                checks.positive("mmpareto", self, name)
            checks.choice("mmpareto", self, "stretch", ("encoder", "tensor"))

    config: Config
    needs = frozenset({"unimodal_heads"})
    claims = frozenset({"unimodal losses"})
    owns_backward = True

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.recorded = EpochMeans("unimodal_weight")

    def backward(self, losses: Losses, step: Step) -> None:
        """One gradient for the joint loss and one for all heads together, averaged over ranks, then mixed.

        A head's loss reaches only its own encoder, so one pass over their sum keeps them apart.
        """
        own_names = [f"{POSE}/{modality}" for modality in step.run.model.modalities]
        own = self.config.weight * torch.stack([losses[name] for name in own_names]).sum()
        others = [loss for name, loss in losses.items() if name not in {POSE, *own_names}]
        parts = [losses[POSE], own] + ([torch.stack(others).sum()] if others else [])
        parameters, encoders = encoders_first(step)
        last = len(parts) - 1
        flat = torch.stack([flat_gradient(p, parameters, keep_graph=i < last) for i, p in enumerate(parts)])
        flat = step.run.mean(flat)
        result = flat.sum(dim=0)
        weights = []
        c = self.config
        for part, tensors in encoders:
            sizes = tensors if c.stretch == "tensor" else None
            found, weight = mixed(flat[0, part], flat[1, part], c.gamma, c.keep_length, sizes)
            result[part] = found + flat[2:, part].sum(dim=0)
            weights.append(weight)
        assign_gradients(result, parameters)
        self.recorded.add(step, torch.tensor(weights, dtype=torch.float64))


def encoders_first(step: Step) -> tuple[list[nn.Parameter], list[tuple[slice, list[int]]]]:
    """All trainable parameters, encoder by encoder first.

    With it, of each encoder, its slice of the flat gradient and the sizes of its tensors there.
    """
    groups = [[p for p in group.values() if p.requires_grad] for group in step.groups.values()]
    parameters = [p for group in groups for p in group]
    among_encoders = {id(p) for p in parameters}
    rest = [p for p in step.run.model.parameters() if p.requires_grad and id(p) not in among_encoders]
    sizes = [[p.numel() for p in group] for group in groups]
    slices = [slice(start, end) for start, end in pairwise([0, *accumulate(map(sum, sizes))])]
    return parameters + rest, list(zip(slices, sizes, strict=True))
