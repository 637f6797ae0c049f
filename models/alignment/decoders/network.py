"""The fully connected score network of GFPose: noisy coordinates, time and condition in, coordinates out.

Ci et al., "GFPose: Learning 3D human pose prior with gradient fields" (CVPR 2023), with its published widths;
UniHPE says that its decoders are such networks with two residual blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TIME_SCALE = 999
"""Time enters as t * 999, the steps of the discrete process."""
LONGEST_PERIOD = 1e4


def time_waves(t: Tensor, width: int) -> Tensor:
    """Sines and cosines [B, width] of times t [B] in [0, 1], with periods from 2 pi to 2 pi 1e4 steps."""
    half = width // 2
    exponents = torch.arange(half, dtype=t.dtype, device=t.device) / max(half - 1, 1)
    angles = TIME_SCALE * t[:, None] * torch.exp(-math.log(LONGEST_PERIOD) * exponents)
    return torch.cat([angles.sin(), angles.cos()], 1)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes; the defaults are GFPose's, whether UniHPE keeps them is not stated."""

    hidden: int = 1024
    time: int = 512
    """Width of the time embedding."""
    blocks: int = 2
    groups: int = 32
    """Groups of the group normalisation."""
    dropout: float = 0.25

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.groups < 1 or self.hidden % self.groups:
            raise ValueError(f"hidden={self.hidden} must be a multiple of groups={self.groups}")
        if self.time < 2 or self.time % 2:
            raise ValueError(f"time={self.time}: use an even width")
        if self.blocks < 1:
            raise ValueError(f"blocks={self.blocks}: use 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: use a rate in [0, 1)")


class TimedLayer(nn.Module):
    """Linear in value, time and condition, then group normalisation, SiLU, dropout: [B, I] to [B, hidden]."""

    def __init__(self, inputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.value = nn.Linear(inputs, config.hidden)
        self.time = nn.Linear(config.time, config.hidden)
        self.condition = nn.Linear(config.hidden, config.hidden)
        self.rest = nn.Sequential(
            nn.GroupNorm(config.groups, config.hidden), nn.SiLU(), nn.Dropout(config.dropout)
        )

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """[B, hidden]."""
        out: Tensor = self.rest(self.value(x) + self.time(time) + self.condition(condition))
        return out


class TimedBlock(nn.Module):
    """Two layers and a shortcut: [B, hidden] to [B, hidden]."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.first = TimedLayer(config.hidden, config)
        self.second = TimedLayer(config.hidden, config)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """x plus the layers of x."""
        out: Tensor = x + self.second(self.first(x, time, condition), time, condition)
        return out


class ScoreNetwork(nn.Module):
    """Noisy coordinates [B, N], times [B], condition [B, D] to [B, N]."""

    def __init__(self, numbers: int, condition: int, config: NetworkConfig) -> None:
        super().__init__()
        self.width = config.time
        self.time = nn.Sequential(nn.Linear(config.time, config.time), nn.SiLU())
        self.condition = nn.Sequential(nn.Linear(condition, config.hidden), nn.SiLU())
        self.enter = TimedLayer(numbers, config)
        self.blocks = nn.ModuleList(TimedBlock(config) for _ in range(config.blocks))
        self.leave = nn.Linear(config.hidden, numbers)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """What the decoder's `predicts` says: the noise, or the pose."""
        time, condition = self.time(time_waves(t, self.width)), self.condition(condition)
        x = self.enter(x, time, condition)
        for block in self.blocks:
            x = block(x, time, condition)
        out: Tensor = self.leave(x)
        return out
