"""Parts of HRNet: convolutions with normalisation, the bottleneck block, a module that exchanges resolutions.

Sun et al., "Deep high-resolution representation learning for human pose estimation" (CVPR 2019). Branch i has
a map [B, 2^i W, h / 2^i, w / 2^i].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Norm, channel_norm
from equipose.models.encoders.resnet import BasicBlock


class ConvNorm(nn.Module):
    """A convolution without bias, normalisation, and ReLU where wanted."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, norm: Norm, *, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = channel_norm(norm, outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        x = self.norm(self.conv(x))
        return F.relu(x, inplace=True) if self.relu else x


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 with four times as many channels at the end, and a shortcut."""

    def __init__(self, inputs: int, middle: int, norm: Norm) -> None:
        super().__init__()
        outputs = 4 * middle
        self.layers = nn.Sequential(
            ConvNorm(inputs, middle, 1, 1, norm),
            ConvNorm(middle, middle, 3, 1, norm),
            ConvNorm(middle, outputs, 1, 1, norm, relu=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = ConvNorm(inputs, outputs, 1, 1, norm, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, 4 middle, H, W]."""
        return F.relu(self.layers(x) + self.shortcut(x), inplace=True)


class Exchange(nn.Module):
    """Residual blocks on every branch, then each becomes the sum of all, brought to its resolution."""

    def __init__(self, width: int, branches: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        channels = [width * 2**i for i in range(branches)]
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(count, count, 1, norm) for _ in range(blocks))) for count in channels
        )
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(channels, i, j, norm) for j in range(branches)) for i in range(branches)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps of all branches that there are paths into, of the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self._joined(i, maps) for i in range(len(self.paths))]

    def _joined(self, i: int, maps: list[Tensor]) -> Tensor:
        total = maps[i]
        paths = self.paths[i]
        assert isinstance(paths, nn.ModuleList)
        for j, x in enumerate(maps):
            if j == i:
                continue
            moved: Tensor = paths[j](x)
            if j > i:
                moved = F.interpolate(moved, maps[i].shape[-2:], mode="nearest")
            total = total + moved
        return F.relu(total)


def _path(channels: list[int], i: int, j: int, norm: Norm) -> nn.Module:
    """From branch j to branch i: 1x1 before enlarging, or one 3x3 of stride 2 for each halving."""
    if i == j:
        return nn.Identity()
    if j > i:
        return ConvNorm(channels[j], channels[i], 1, 1, norm, relu=False)
    steps = [ConvNorm(channels[j], channels[j], 3, 2, norm) for _ in range(i - j - 1)]
    return nn.Sequential(*steps, ConvNorm(channels[j], channels[i], 3, 2, norm, relu=False))
