"""Attention between the channels of a feature map, as MetaFi++ uses it.

Wang et al., "UCTransNet" (AAAI 2022), channel-wise cross fusion transformer, here over one map: the
tokens are positions, but the attention matrix is channel x channel. Every head has the full width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Norm, channel_norm


class ChannelAttention(nn.Module):
    """[B, P, C] to [B, P, C]: softmax(instance_norm(Q^T K / sqrt(C))) V^T, averaged over heads."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * heads * channels, bias=False)
        self.out = nn.Linear(channels, channels, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Sums over the positions P, so their number is arbitrary."""
        batch, positions, channels = x.shape
        qkv = self.qkv(x).view(batch, positions, 3, self.heads, channels)
        query, key, value = qkv.permute(2, 0, 3, 4, 1)
        scores = query @ key.transpose(-1, -2) / channels**0.5
        weights = self.dropout(F.instance_norm(scores).softmax(-1))
        mixed = (weights @ value).mean(1).transpose(1, 2)
        return self.dropout(self.out(mixed))


class ChannelTransformer(nn.Module):
    """One transformer layer between channels, a 1x1 convolution, and a residual: shape [B, C, H, W]."""

    def __init__(self, channels: int, size: tuple[int, int], heads: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, size[0] * size[1], channels))
        self.dropout = nn.Dropout(dropout)
        self.attention_norm = nn.LayerNorm(channels, eps=1e-6)
        self.attention = ChannelAttention(channels, heads, dropout)
        self.feed_norm = nn.LayerNorm(channels, eps=1e-6)
        self.feed = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, channels),
            nn.Dropout(dropout),
        )
        self.last_norm = nn.LayerNorm(channels, eps=1e-6)
        self.rebuild = nn.Conv2d(channels, channels, 1)
        self.rebuild_norm = channel_norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] of the size given at construction to the same shape."""
        tokens = self.dropout(x.flatten(2).transpose(1, 2) + self.position)
        tokens = tokens + self.attention(self.attention_norm(tokens))
        tokens = self.last_norm(tokens + self.feed(self.feed_norm(tokens)))
        maps = tokens.transpose(1, 2).reshape(x.shape)
        return x + F.relu(self.rebuild_norm(self.rebuild(maps)))
