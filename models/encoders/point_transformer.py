"""Point sets (LiDAR, mmWave radar) to features: a Point Transformer.

Widths as in the encoders of X-Fi (Chen et al., ICLR 2025): see `docs/models.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm
from equipose.models.encoders.point_layers import TransitionDown, TransitionKeep, VectorAttention
from equipose.models.encoders.points import masked_mean


class PointTrunk(nn.Module):
    """A pointwise stem, then levels of transition and attention, each of twice the channels."""

    def __init__(self, config: PointTransformer.Config, norm: Norm) -> None:
        super().__init__()
        base, width, k = config.base, config.width, config.neighbours
        self.stem = nn.Sequential(nn.Linear(config.channels, base), nn.ReLU(), nn.Linear(base, base))
        self.attend = VectorAttention(base, width, k) if config.first_attention else None
        self.transitions, self.attentions = nn.ModuleList(), nn.ModuleList()
        for level, count in enumerate(config.levels):
            inputs, outputs = base * 2**level, base * 2 ** (level + 1)
            self.transitions.append(
                TransitionKeep(inputs, outputs, norm)
                if count is None
                else TransitionDown(count, inputs, outputs, k, norm)
            )
            self.attentions.append(VectorAttention(outputs, width, k))

    def forward(self, points: Tensor, mask: Tensor) -> Tensor:
        """points [B, N, C], mask [B, N] to the mean [B, C'] over the points of the last level."""
        xyz, values = points[..., :3], self.stem(points)
        if self.attend is not None:
            values = self.attend(xyz, values, mask)
        for transition, attention in zip(self.transitions, self.attentions, strict=True):
            xyz, values, mask = transition(xyz, values, mask)
            values = attention(xyz, values, mask)
        return masked_mean(values, mask)


class PointTransformer(Encoder):
    """Points [B, N, C] with mask [B, N] to features [B, D], independent of padding and order."""

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Widths of the trunk; the defaults are the published LiDAR model for 1024 points."""

        channels: int = 3
        """Per point: x, y, z in metres, then whatever the sensor adds."""
        base: int = 32
        """Channels of the stem; each level doubles them."""
        width: int = 512
        """Width d of every attention."""
        neighbours: int = 16
        levels: tuple[int | None, ...] = (256, 64, 16, 4, 1)
        """Points kept at each level; None keeps all. Sets with fewer points keep what they have."""
        first_attention: bool = True
        """Attend among all points before the first level, as published."""

        def __post_init__(self) -> None:
            if self.channels < 3 or any(count is not None and count < 1 for count in self.levels):
                raise ValueError(
                    f"channels={self.channels}, levels={self.levels}: channels start at 3, counts at 1"
                )

        def build(self, feature_dim: int, norm: Norm) -> PointTransformer:
            """The encoder, with new weights."""
            return PointTransformer(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = config
        self.trunk = PointTrunk(config, norm)
        self.project = nn.Linear(config.base * 2 ** len(config.levels), feature_dim)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D]; finite even if no point is real. Without a mask every point is real."""
        if inputs.shape[1] == 0:
            inputs = inputs.new_zeros(len(inputs), 1, inputs.shape[2])
            mask = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        if mask is None:
            mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        # Padding may hold anything, even NaN, which a weight of zero does not remove.
        points = inputs.masked_fill(~mask[..., None], 0)
        return self.project(self.trunk(points, mask))
