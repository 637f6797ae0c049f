"""What every encoder has in common: one sensor in, one feature vector per frame out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor, nn

Norm = Literal["batch", "layer"]
"""`batch`: BatchNorm, as published. `layer`: per-sample normalisation, which keeps no batch statistics, so
any number of ranks computes exactly what one rank computes."""

NORMS: tuple[Norm, ...] = ("batch", "layer")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of an encoder, which it builds; every encoder has its own as `Config`."""

    def build(self, feature_dim: int, norm: Norm) -> Encoder:
        """The encoder, with new weights."""
        raise NotImplementedError

    def with_window(self, window: int) -> Self:
        """The same for inputs of that many frames; ValueError if they do not fit."""
        if window != 1:
            raise ValueError(f"window={window}: this encoder looks at one frame")
        return self

    def with_stride(self, stride: int) -> Self:
        """The same for pictures of which every n-th row and column is kept; ValueError if they do not fit."""
        return self


class Encoder(nn.Module):
    """Turns the raw input of one sensor into features, independently of other encoders.

    In evaluation mode each row of the output depends only on the same row of the input.
    """

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D] of inputs [B, ...]; mask [B, N] is True where a point is real."""
        raise NotImplementedError


def channel_norm(kind: Norm, channels: int) -> nn.Module:
    """Normalisation of channel-first maps [B, C, ...]."""
    if kind == "batch":
        return BatchNorm(channels)
    return nn.GroupNorm(1, channels)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of [B, C, ...] with any number of trailing axes, including none."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"input has {input.dim()} axes; BatchNorm needs [B, C, ...]")
