"""Key points (or any grid of numbers) to features: the temporal convolutional trunk of VideoPose3D.

Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised
training" (CVPR 2019), section 3. Only the output frame of a window is needed here, so the dilated
convolutions are computed as strided ones, which gives the same result with far less work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm, channel_norm


class TemporalBlock(nn.Module):
    """A convolution over `width` frames, a 1x1 convolution, and a residual from the middle frame."""

    def __init__(self, width: int, channels: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.width = width
        self.temporal = nn.Conv1d(channels, channels, width, stride=width, bias=False)
        self.temporal_norm = channel_norm(norm, channels)
        self.mix = nn.Conv1d(channels, channels, 1, bias=False)
        self.mix_norm = channel_norm(norm, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] to [B, C, T / width]."""
        residual = x[..., self.width // 2 :: self.width]
        x = self.dropout(F.relu(self.temporal_norm(self.temporal(x))))
        return residual + self.dropout(F.relu(self.mix_norm(self.mix(x))))


class TemporalTrunk(nn.Module):
    """VideoPose3D without its last 1x1 "shrink" convolution to joints."""

    def __init__(
        self, inputs: int, widths: tuple[int, ...], channels: int, dropout: float, norm: Norm
    ) -> None:
        super().__init__()
        first, *rest = widths
        self.expand = nn.Conv1d(inputs, channels, first, stride=first, bias=False)
        self.expand_norm = channel_norm(norm, channels)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TemporalBlock(width, channels, dropout, norm) for width in rest)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] to [B, C]."""
        x = self.dropout(F.relu(self.expand_norm(self.expand(x))))
        for block in self.blocks:
            x = block(x)
        return x.squeeze(-1)


class VideoPose3D(Encoder):
    """T frames [B, T, ...] of `inputs` numbers to the features [B, D] of the middle one."""

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Widths of the trunk; the defaults are the published 27-frame model."""

        inputs: int = 34
        """Numbers of a frame: 17 key points of 2 coordinates."""
        widths: tuple[int, ...] = (3, 3, 3)
        """Odd filter widths; their product is the window T. All ones: a single frame."""
        channels: int = 1024
        dropout: float = 0.25

        def __post_init__(self) -> None:
            if not self.widths or any(width < 1 or width % 2 == 0 for width in self.widths):
                raise ValueError(f"widths={self.widths}: give one or more odd positive filter widths")

        @property
        def window(self) -> int:
            """Number of frames T that the model looks at."""
            return math.prod(self.widths)

        def with_window(self, window: int) -> VideoPose3D.Config:
            """The same for windows of 1 frame, or of a power of three."""
            return replace(self, widths=temporal_widths(window, len(self.widths)))

        def build(self, feature_dim: int, norm: Norm) -> VideoPose3D:
            """The encoder, with new weights."""
            return VideoPose3D(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = config
        self.trunk = TemporalTrunk(config.inputs, config.widths, config.channels, config.dropout, norm)
        self.project = nn.Linear(config.channels, feature_dim)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D]; the mask is not used. Raises where T is not the window."""
        frames = inputs.reshape(inputs.shape[0], -1, self.config.inputs)
        if frames.shape[1] != self.config.window:
            raise ValueError(
                f"the input has {frames.shape[1]} frames per window but widths={self.config.widths} look at "
                f"{self.config.window}; set the same window in the data and in the model"
            )
        return self.project(self.trunk(frames.transpose(1, 2)))


def temporal_widths(window: int, depth: int) -> tuple[int, ...]:
    """Filter widths of a VideoPose3D trunk for a window of 1, 3, 9, 27, 81, 243 ... frames.

    A single frame uses `depth` filters of width 1, as published. Raises for any other window.
    """
    widths: list[int] = []
    rest = window
    while rest > 1 and rest % 3 == 0:
        rest //= 3
        widths.append(3)
    if rest != 1:
        raise ValueError(f"window={window}: use 1 or a power of three (3, 9, 27, 81, 243)")
    return tuple(widths) or (1,) * depth
