"""WiFi channel state information (CSI) to features: MetaFi++.

Zhou et al., "MetaFi++: WiFi-enabled transformer-based human pose estimation for metaverse avatar
simulation" (IEEE IoT Journal 2023). Each antenna's amplitudes pass through one shared ResNet; the three maps
are concatenated along the width and mixed by a channel transformer. The paper does not say which part of
the network feeds a fusion, so `readout` is a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm, channel_norm
from equipose.models.encoders.channel_transformer import ChannelTransformer
from equipose.models.encoders.resnet import ResNet

ANTENNAS = 3


def halved(size: int, times: int) -> int:
    """Length of an axis after that many convolutions of stride 2, kernel 3, padding 1."""
    for _ in range(times):
        size = (size + 1) // 2
    return size


class JointReadout(nn.Module):
    """The published decoder up to its 32 channels, kept per row of the map: [B, C, H, W] to [B, 32 H]."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 32, 3, padding=1, bias=False)
        self.norm = channel_norm(norm, 32)

    def forward(self, x: Tensor) -> Tensor:
        """Average over the width; with the published grid the 17 rows stand for the joints."""
        return F.relu(self.norm(self.conv(x))).mean(3).flatten(1)


class MetaFi(Encoder):
    """CSI amplitude [B, 3, 114, 10] to features [B, D]; the data loader rescales frames."""

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Widths; the defaults are the published model."""

        grid: tuple[int, int] = (136, 32)
        """Each antenna's (subcarriers, packets) image is resized to this."""
        base: int = 64
        """Channels of the first ResNet stage."""
        blocks: tuple[int, ...] = (3, 4, 6, 3)
        """ResNet blocks per stage; the default is ResNet-34."""
        stem_stride: int = 1
        heads: int = 3
        """Heads of the channel transformer; 0 leaves the transformer out."""
        dropout: float = 0.1
        readout: Literal["pool", "joints"] = "pool"
        """`pool`: average over the map, 512 wide as published; `joints`: see `JointReadout`."""

        @property
        def map_size(self) -> tuple[int, int]:
            """Height and width of the last ResNet map of one antenna."""
            times = len(self.blocks) - 1 + (self.stem_stride == 2)
            return halved(self.grid[0], times), halved(self.grid[1], times)

        def __post_init__(self) -> None:
            if self.readout not in ("pool", "joints"):
                raise ValueError(f"readout={self.readout!r}: use 'pool' or 'joints'")
            if self.stem_stride not in (1, 2):
                raise ValueError(f"stem_stride={self.stem_stride}: use 1 or 2")

        def build(self, feature_dim: int, norm: Norm) -> MetaFi:
            """The encoder, with new weights."""
            return MetaFi(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = config
        self.resnet = ResNet(config.base, config.blocks, config.stem_stride, norm)
        channels, (height, width) = self.resnet.channels, config.map_size
        self.joined_norm = channel_norm(norm, channels)
        self.transformer: nn.Module = nn.Identity()
        if config.heads:
            size = (height, ANTENNAS * width)
            self.transformer = ChannelTransformer(channels, size, config.heads, config.dropout, norm)
        pooled = config.readout == "pool"
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.readout: nn.Module = pool if pooled else JointReadout(channels, norm)
        self.project = nn.Linear(channels if pooled else 32 * height, feature_dim)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D]; the mask is not used."""
        x = F.interpolate(inputs.flatten(0, 1)[:, None], self.config.grid, mode="bilinear", antialias=True)
        maps = self.resnet(x).unflatten(0, (inputs.shape[0], ANTENNAS))
        joined = self.joined_norm(maps.permute(0, 2, 3, 1, 4).flatten(3))
        return self.project(self.readout(self.transformer(joined)))
