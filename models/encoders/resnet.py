"""ResNet-34 and smaller variants (He et al., "Deep residual learning", CVPR 2016).

The first convolution is 3x3 with stride 1 and no max-pooling follows, as in MetaFi++, because a CSI frame is
far smaller than a photograph.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.encoders.base import Norm, channel_norm


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = channel_norm(norm, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = channel_norm(norm, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), channel_norm(norm, outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', H / stride, W / stride]."""
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Maps [B, inputs, H, W] to [B, C 2^(stages-1), h, w]; all stages but the first halve it."""

    def __init__(
        self, base: int, blocks: tuple[int, ...], stem_stride: int, norm: Norm, inputs: int = 1
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(inputs, base, 3, stem_stride, 1, bias=False)
        self.stem_norm = channel_norm(norm, base)
        layers: list[nn.Module] = []
        inputs = base
        for stage, depth in enumerate(blocks):
            outputs = base * 2**stage
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(inputs, outputs, stride, norm))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.channels = inputs

    def forward(self, x: Tensor) -> Tensor:
        """The map of the last stage."""
        return self.layers(F.relu(self.stem_norm(self.stem(x))))
