"""Residual MLP: linear layers with normalisation and ReLU, two to a block.

The block is that of Martinez et al., "A simple yet effective baseline for 3D human pose estimation" (ICCV
2017), which UniHPE compares with; of its own MLPs the paper says that decoders have three residual blocks.
"""

from __future__ import annotations

from torch import Tensor, nn

from equipose.models.encoders.base import Norm, channel_norm


def layer(inputs: int, outputs: int, dropout: float, norm: Norm) -> nn.Sequential:
    """Linear, normalisation, ReLU, dropout: [B, inputs] to [B, outputs]."""
    return nn.Sequential(
        nn.Linear(inputs, outputs), channel_norm(norm, outputs), nn.ReLU(), nn.Dropout(dropout)
    )


def check_sizes(width: int, blocks: int) -> None:
    """Raise ValueError for sizes that no residual MLP has."""
    if width < 1 or blocks < 1:
        raise ValueError(f"width={width}, blocks={blocks}: use 1 or more")


class ResidualBlock(nn.Module):
    """Two layers and a shortcut: [B, W] to [B, W]."""

    def __init__(self, width: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(layer(width, width, dropout, norm) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """x plus the layers of x."""
        return x + self.layers(x)


class ResidualMLP(nn.Module):
    """[B, inputs] to [B, outputs] through residual blocks of one width."""

    def __init__(
        self, inputs: int, outputs: int, *, width: int, blocks: int, dropout: float, norm: Norm
    ) -> None:
        super().__init__()
        self.enter = layer(inputs, width, dropout, norm)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout, norm) for _ in range(blocks)))
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, outputs]."""
        out: Tensor = self.leave(self.blocks(self.enter(x)))
        return out
