"""ViT: patches of the picture as tokens of a transformer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm

PADDING = 2
"""Pixels around the picture before it is cut into patches, as in ViTPose."""


class ViT(Encoder):
    """Pictures [B, 3, H, W] of one size to embeddings [B, D].

    The backbone of ViTPose (Xu et al., NeurIPS 2022), which has no [CLS]. Its tokens are averaged, like the
    maps of HRNet, and a linear layer follows; how UniHPE reads the ViT of its table 5 out is not stated.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Sizes; the defaults are those of ViT-B."""

        size: tuple[int, int] = (256, 192)
        """Height and width, pixels."""
        patch: int = 16
        width: int = 768
        heads: int = 12
        layers: int = 12
        inputs: int = 3
        """Channels of the picture."""
        dropout: float = 0.0

        def __post_init__(self) -> None:
            if self.patch <= 2 * PADDING or any(side < 1 or side % self.patch for side in self.size):
                raise ValueError(
                    f"size={self.size}: use multiples of patch={self.patch}, and patches above {2 * PADDING}"
                )
            if self.heads < 1 or self.width < 1 or self.width % self.heads:
                raise ValueError(f"width={self.width} must be a multiple of heads={self.heads}")
            if self.layers < 1 or self.inputs < 1:
                raise ValueError(f"layers={self.layers}, inputs={self.inputs}: use 1 or more")

        def with_stride(self, stride: int) -> ViT.Config:
            """The same with fewer patches of the same number of pixels."""
            height, width = (-(-side // stride) for side in self.size)
            return replace(self, size=(height, width))

        def build(self, feature_dim: int, norm: Norm) -> ViT:
            """The encoder, with new weights; a transformer normalises per token, whatever `norm` is."""
            return ViT(self, feature_dim)

    def __init__(self, config: Config, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Conv2d(config.inputs, config.width, config.patch, config.patch, PADDING)
        count = (config.size[0] // config.patch) * (config.size[1] // config.patch)
        self.positions = nn.Parameter(torch.empty(count, config.width))
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            4 * config.width,
            config.dropout,
            activation="gelu",
            layer_norm_eps=1e-6,
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.width, eps=1e-6), enable_nested_tensor=False
        )
        for parameter in (self.positions, *self.layers.parameters()):
            if parameter.dim() > 1:  # the copies of one layer all start alike otherwise
                nn.init.trunc_normal_(parameter, std=0.02)
        self.project = nn.Linear(config.width, feature_dim)

    def tokens(self, inputs: Tensor) -> Tensor:
        """The patches after the last layer: [B, N, W], row by row."""
        if tuple(inputs.shape[-2:]) != self.config.size:
            raise ValueError(
                f"pictures are {tuple(inputs.shape[-2:])} pixels high and wide, but size={self.config.size}"
            )
        tokens: Tensor = self.layers(self.patches(inputs).flatten(2).transpose(1, 2) + self.positions)
        return tokens

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embeddings [B, D]; the mask is not used."""
        out: Tensor = self.project(self.tokens(inputs).mean(1))
        return out
