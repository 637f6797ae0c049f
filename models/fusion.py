"""Fusion: the features of M modalities become one vector, from which a linear head reads the pose.

Absent modalities are zero features, as in the AWC paper. Its exact MLP and attention are not public; ours
are documented here and in `docs/models.md`. Legend: B batch, M modalities, D features, W fused
width, C coalitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.heads import PoseHead, as_pose

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


class ConcatFusion(Fusion):
    """Concatenation: with the linear head, pose = sum_m W_m f_m + b."""

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width = modalities * feature_dim

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, M D]."""
        return features.flatten(1)

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """One product per modality instead of one per coalition."""
        return as_pose(linear_coalitions(head.linear, features, present))


class MLPFusion(Fusion):
    """Concatenation, then two layers with ReLU: M D -> hidden -> D."""

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width = feature_dim
        self.enter = nn.Linear(modalities * feature_dim, options.hidden)
        self.leave = nn.Linear(options.hidden, feature_dim)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, D]."""
        return self._finish(self.enter(features.flatten(1)))

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """The first, widest layer is computed once per modality; only the rest once per coalition."""
        # Batch first, the memory layout of the products, so what follows copies nothing.
        hidden = linear_coalitions(self.enter, features, present).transpose(0, 1)
        poses: Tensor = head(self._finish(hidden))
        return poses.transpose(0, 1)

    def _finish(self, hidden: Tensor) -> Tensor:
        hidden = self.dropout(F.relu(hidden, inplace=True))
        return F.relu(self.leave(hidden), inplace=True)


class TokenLayer(nn.Module):
    """A pre-norm transformer layer on tokens [B, 1 + M, D]; zero tokens have zero keys and values."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.RMSNorm(width, eps=1e-5)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, allowed: Tensor | None, asking: int) -> Tensor:
        """The first `asking` tokens after the layer: [B, asking, D].

        `allowed` [B, 1 + M] bool says which tokens may be attended to; None: all of them.
        """
        return self.mix(self.project(tokens, asking), allowed)

    def project(self, tokens: Tensor, asking: int) -> tuple[Tensor, ...]:
        """Per-token inputs of `mix`: the asking tokens, their queries, all keys, all values."""
        normal = self.attention_norm(tokens)
        key, value = self.key_value(normal).chunk(2, dim=-1)
        return tokens[:, :asking], self.query(normal[:, :asking]), key, value

    def mix(self, projected: tuple[Tensor, ...], allowed: Tensor | None) -> Tensor:
        """[B, asking, D]: attention among the projected tokens, then the feed-forward part."""
        tokens, *parts = projected
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mask = None if allowed is None else allowed[:, None, None]
        rate = self.rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
        tokens = tokens + self.out(mixed.transpose(1, 2).flatten(2))
        return tokens + self.feed(self.feed_norm(tokens))


class AttentionFusion(Fusion):
    """A transformer over one token per modality and a class token, which is the result.

    A token is W_m f_m without bias, which tells modalities apart and is zero for an absent one, where an
    added modality embedding would remain. With `absent="zero"` that zero token still draws attention, as any
    zero-filled feature does; with `"mask"` it is not attended to.
    """

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width, self.absent = feature_dim, options.absent
        heads = 4 if feature_dim % 4 == 0 else 1
        self.tokens = nn.Parameter(torch.empty(modalities, feature_dim, feature_dim))
        nn.init.normal_(self.tokens, std=feature_dim**-0.5)
        self.cls = nn.Parameter(torch.empty(feature_dim))
        nn.init.normal_(self.cls, std=0.02)
        self.layers = nn.ModuleList(
            TokenLayer(feature_dim, heads, options.dropout) for _ in range(options.layers)
        )
        self.last_norm = nn.RMSNorm(feature_dim, eps=1e-5)

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, D]; finite even where every modality is absent."""
        return self._attend(self._project(features), present[None])

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """The first layer's projections are computed once: leaving a modality out only zeroes its own.

        The rest runs on as many coalitions at a time as fit the caches.
        """
        projected = self._project(features)
        groups = present.split(max(1, CACHED // features[:, 0].numel()))
        poses: Tensor = head(torch.cat([self._attend(projected, group) for group in groups]))
        return poses.unflatten(0, present.shape[:2])

    def _project(self, features: Tensor) -> tuple[Tensor, ...]:
        tokens = torch.einsum("bmd,mde->bme", features, self.tokens)
        tokens = torch.cat([self.cls.expand(len(tokens), 1, -1), tokens], 1)
        return self._first.project(tokens, self._asking(0))

    def _attend(self, projected: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """[C B, D] for present [C, B, M]."""
        allowed = F.pad(present.flatten(0, 1), (1, 0), value=True)
        kept = allowed.to(projected[0].dtype).view(*present.shape[:2], -1, 1)
        parts = tuple((part * kept[:, :, : part.shape[1]]).flatten(0, 1) for part in projected)
        mask = allowed if self.absent == "mask" else None
        tokens = self._first.mix(parts, mask)
        for index, layer in enumerate(self.layers[1:], start=1):
            tokens = layer(tokens, mask, self._asking(index))
        return self.last_norm(tokens[:, 0])

    @property
    def _first(self) -> TokenLayer:
        layer = self.layers[0]
        assert isinstance(layer, TokenLayer)
        return layer

    def _asking(self, layer: int) -> int:
        """How many tokens a layer returns: all of them, but only the class token from the last."""
        return 1 if layer == len(self.layers) - 1 else 1 + len(self.tokens)


FUSIONS: Mapping[str, type[ConcatFusion] | type[MLPFusion] | type[AttentionFusion]] = MappingProxyType(
    {"concat": ConcatFusion, "mlp": MLPFusion, "attention": AttentionFusion}
)
"""name -> fusion, built as `Fusion(number of modalities, D, options)`."""
