"""A pose to an embedding by a transformer over its joints."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipose.models.encoders.base import Norm
from equipose.models.encoders.pose.boxes import BOX_NUMBERS
from equipose.models.encoders.pose.joints import PoseEncoder, PoseEncoderConfig


class PoseTransformer(PoseEncoder):
    """A token for every joint, one for the box in 2D, and [CLS], whose last state is the embedding.

    UniHPE, section 3.1 and appendix B.2: a linear layer makes tokens of joints, positions are learnt, three
    layers follow, and a linear layer gives D = 1024 numbers.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(PoseEncoderConfig):
        """Sizes. Three layers are published; width, heads, feed-forward width, activation (GELU), place of
        the normalisation (before) and dropout are not, and follow other work of the group."""

        width: int = 256
        heads: int = 8
        feed: int = 512
        """Width inside the feed-forward part."""
        layers: int = 3
        dropout: float = 0.0

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.heads < 1 or self.width < 1 or self.width % self.heads:
                raise ValueError(f"width={self.width} must be a multiple of heads={self.heads}")
            if self.layers < 1 or self.feed < 1:
                raise ValueError(f"layers={self.layers}, feed={self.feed}: use 1 or more")

        def build(self, feature_dim: int, norm: Norm) -> PoseTransformer:
            """The encoder, with new weights; a transformer normalises per token, whatever `norm` is."""
            return PoseTransformer(self, feature_dim)

    def __init__(self, config: Config, feature_dim: int) -> None:
        super().__init__()
        self.config = self.settings = config
        self.joint = nn.Linear(config.coordinates, config.width)
        self.cls = nn.Parameter(torch.empty(1, config.width))
        self.positions = nn.Parameter(torch.empty(config.joints, config.width))
        for parameter in (self.cls, self.positions):
            nn.init.normal_(parameter, std=0.02)
        # A bias is all that a position would add to the only token of its kind.
        self.box = nn.Linear(BOX_NUMBERS, config.width) if config.sees_box else None
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            config.feed,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.width), enable_nested_tensor=False
        )
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:  # the copies of one layer all start alike otherwise
                nn.init.xavier_uniform_(parameter)
        self.project = nn.Linear(config.width, feature_dim)

    def encode(self, joints: Tensor, box: Tensor | None) -> Tensor:
        """Embeddings [B, D]."""
        tokens = [self.cls.expand(joints.shape[0], 1, -1), self.joint(joints) + self.positions]
        if self.box is not None:
            tokens.append(self.box(box)[:, None])
        out: Tensor = self.project(self.layers(torch.cat(tokens, 1))[:, 0])
        return out
