"""RGB key points to features: the temporal convolutional trunk of VideoPose3D.

Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised
training" (CVPR 2019), section 3. Only the output frame of a window is needed here, so the dilated
convolutions are computed as strided ones, which gives the same result with far less work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Encoder, Norm, channel_norm
from equipose.models.skeleton import COCO_KEYPOINTS


def normalise_pixels(pixels: Tensor, width: float, height: float) -> Tensor:
    """Pixels [..., 2] to x in [-1, 1] and y in [-h/w, h/w], keeping the aspect ratio."""
    return pixels / width * 2 - pixels.new_tensor([1.0, height / width])


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

    def __init__(self, widths: tuple[int, ...], channels: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        first, *rest = widths
        self.expand = nn.Conv1d(2 * len(COCO_KEYPOINTS), channels, first, stride=first, bias=False)
        self.expand_norm = channel_norm(norm, channels)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TemporalBlock(width, channels, dropout, norm) for width in rest)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 34, T] to [B, C]."""
        x = self.dropout(F.relu(self.expand_norm(self.expand(x))))
        for block in self.blocks:
            x = block(x)
        return x.squeeze(-1)


class VideoPose3D(Encoder):
    """Key points of T frames [B, T, 17, 2] in pixels to the features [B, D] of the middle frame."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Widths of the trunk; the defaults are the published 27-frame model."""

        widths: tuple[int, ...] = (3, 3, 3)
        """Odd filter widths; their product is the window T. All ones: a single frame."""
        channels: int = 1024
        dropout: float = 0.25
        image: tuple[float, float] = (640.0, 480.0)
        """Width and height of the camera image, pixels."""

        def __post_init__(self) -> None:
            if not self.widths or any(width < 1 or width % 2 == 0 for width in self.widths):
                raise ValueError(f"widths={self.widths}: give one or more odd positive filter widths")

        @property
        def window(self) -> int:
            """Number of frames T that the model looks at."""
            return math.prod(self.widths)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = config
        self.trunk = TemporalTrunk(config.widths, config.channels, config.dropout, norm)
        self.project = nn.Linear(config.channels, feature_dim)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D]; the mask is not used. Raises where T is not the window."""
        if inputs.shape[1] != self.config.window:
            raise ValueError(
                f"rgb has {inputs.shape[1]} frames per window but widths={self.config.widths} look at "
                f"{self.config.window}; set the same window in the data and in the model"
            )
        x = normalise_pixels(inputs, *self.config.image).flatten(2).transpose(1, 2)
        return self.project(self.trunk(x))
