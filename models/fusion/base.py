"""What every fusion shares: its interface, its sizes, and linear layers computed for many coalitions at once.

Legend: B batch, M modalities, D features, W fused width, O outputs, C coalitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from equipose.models.heads import PoseHead

Absent = Literal["zero", "mask"]

CACHED = 2**16
"""Size of one token over all rows (coalitions x B x D) up to which processing them together is faster."""


@dataclass(frozen=True, kw_only=True)
class FusionOptions:
    """Sizes of a fusion; each fusion uses those that apply."""

    hidden: int
    """Width of the MLP."""
    layers: int
    """Transformer layers of the attention."""
    dropout: float = 0.0
    absent: Absent = "zero"
    """`zero`: the zero feature enters attention as a token; `mask`: no token attends to it."""


def linear_parts(layer: nn.Linear, features: Tensor) -> Tensor:
    """What each modality adds to `layer` of the concatenation: [B, M, D] to [B, M, O].

    Summed over M, plus the bias, it is `layer(features.flatten(1))`.
    """
    weight = layer.weight.unflatten(1, features.shape[-2:])
    return torch.einsum("bmd,omd->bmo", features, weight)


def linear_coalitions(layer: nn.Linear, features: Tensor, present: Tensor) -> Tensor:
    """`layer` of the concatenation for C coalitions: [C, B, O].

    features [B, M, D], present [C, B, M] bool. One product per modality, for any C.
    """
    parts = linear_parts(layer, features)
    chosen = present.transpose(0, 1).to(parts.dtype)
    return torch.baddbmm(layer.bias, chosen, parts).transpose(0, 1)


class Fusion(nn.Module):
    """Features [B, M, D] to fused features [B, W]."""

    width: int
    """W."""

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """Fused features; `features` are already zero where `present` [B, M] is False."""
        raise NotImplementedError

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """Poses [C, B, 17, 3] for present [C, B, M]; the same as `head(self(...))` for every coalition."""
        count, batch, modalities = present.shape
        kept = features.where(present[..., None], 0).flatten(0, 1)
        poses: Tensor = head(self(kept, present.reshape(count * batch, modalities)))
        return poses.unflatten(0, (count, batch))
