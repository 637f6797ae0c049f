"""A transformer over one token per modality. Legend as in `models/fusion/base.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.fusion.base import CACHED, Fusion, FusionOptions
from equipose.models.fusion.token_layer import TokenLayer
from equipose.models.heads import PoseHead


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
        tokens = torch.cat([self.cls.expand(tokens.shape[0], 1, -1), tokens], 1)
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
