"""Heat maps of key points: what a network should show, and what is read from it.

Xiao et al., "Simple baselines for human pose estimation and tracking" (ECCV 2018), which HRNet follows. The
maps cover the crop of a box, 3/4 as wide as high. Legend: B batch, J joints, H and W cells of a map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equipose.models.encoders.base import Encoder
from equipose.models.encoders.image.hrnet import HRNet
from equipose.models.sensors.triplets import CROP
from equipose.models.skeleton import NUM_JOINTS

PUBLISHED_HEIGHT = 64
"""Cells of a map's height for which the deviation of a Gaussian is published."""
REACH = 3.0
"""A joint further outside the map than so many deviations leaves nothing on it to learn."""
FIRST_WEIGHTS = 0.001
"""Deviation of the last layer's initial weights, as published."""


def cells_of(keypoints: Tensor, height: int, width: int) -> Tensor:
    """Key points [B, J, 2] relative to the box in cells of a map: 0 is the middle of the first cell."""
    aspect = CROP[0] / CROP[1]
    size = keypoints.new_tensor([width, height])
    shares = (keypoints / keypoints.new_tensor([aspect, 1.0]) + 1) / 2
    return shares * size - 0.5


def in_box(cells: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `cells_of`: [B, J, 2]."""
    aspect = CROP[0] / CROP[1]
    shares = (cells + 0.5) / cells.new_tensor([width, height])
    return (2 * shares - 1) * cells.new_tensor([aspect, 1.0])


def gaussians(cells: Tensor, height: int, width: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Targets [B, J, H, W] with a peak of 1 at joints [B, J, 2] in cells, and which joints [B, J] have one.

    A joint that is unknown (NaN) or too far outside has none. The peak lies where the joint is: published
    targets round it to a cell, which alone would cost half a cell.
    """
    size = cells.new_tensor([width, height])
    shown = cells.isfinite() & (cells > -0.5 - REACH * sigma) & (cells < size - 0.5 + REACH * sigma)
    known = shown.all(-1)
    middle = cells.where(known[..., None], 0)[..., None]
    across = torch.arange(width, dtype=cells.dtype, device=cells.device) - middle[..., 0, :]
    down = torch.arange(height, dtype=cells.dtype, device=cells.device) - middle[..., 1, :]
    falls = [torch.exp(-(offset**2) / (2 * sigma**2)) for offset in (down, across)]
    return falls[0][..., :, None] * falls[1][..., None, :], known


def scaled_sigma(sigma: float, height: int) -> float:
    """Deviation in cells on maps of this height, from that on maps 64 cells high."""
    return sigma * height / PUBLISHED_HEIGHT


def peaks(maps: Tensor) -> Tensor:
    """Joints [B, J, 2] in cells out of maps [B, J, H, W]: the highest cell, moved a quarter of a cell towards
    the higher of its neighbours on either axis. A peak on the rim is not moved, as published."""
    height, width = maps.shape[-2:]
    best = maps.flatten(2).argmax(-1)
    x, y = best % width, best // width
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)

    def at(x: Tensor, y: Tensor) -> Tensor:
        where = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        return maps.flatten(2).gather(2, where[..., None])[..., 0]

    slopes = torch.stack([at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1)], -1)
    moved = 0.25 * slopes.sign() * inside[..., None]
    return torch.stack([x, y], -1).to(maps.dtype) + moved


class HeatMapNet(Encoder):
    """Pictures to a map of every joint, at a quarter of their height and width, and to key points."""

    def __init__(self, backbone: HRNet, head: nn.Conv2d) -> None:
        """backbone: what its finest map does not need is removed, as in HRNet for key points."""
        super().__init__()
        backbone.keep_finest()
        self.backbone, self.head = backbone, head

    def maps(self, inputs: Tensor) -> Tensor:
        """[B, J, H / 4, W / 4] of pictures [B, 3, H, W]."""
        found: Tensor = self.head(self.backbone.maps(inputs)[0])
        return found

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, 2 J] key points relative to the box; the mask is not used."""
        maps = self.maps(inputs)
        return in_box(peaks(maps), *maps.shape[-2:]).flatten(1)


def new_head(channels: int) -> nn.Conv2d:
    """The 1x1 convolution from the finest map to a map of every joint, with new weights."""
    head = nn.Conv2d(channels, NUM_JOINTS, 1)
    nn.init.normal_(head.weight, std=FIRST_WEIGHTS)
    assert head.bias is not None
    nn.init.zeros_(head.bias)
    return head
