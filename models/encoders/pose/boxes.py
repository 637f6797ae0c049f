"""Boxes around people: what 2D key points are relative to, and where in the picture that was.

A box is its centre [B, 2] in pixels and its side [B] in pixels; the picture's crop is 3/4 as wide as high, so
the side is its height.
"""

from __future__ import annotations

import torch
from torch import Tensor

ANNOTATED = 1.2
"""Side of an annotated box over the longer side of the key points (MMPose's Human3.6M annotation)."""
PADDED = 1.25
"""Side of the crop over that of the annotated box (MMPose's pipeline); inferred for UniHPE."""
BOX_NUMBERS = 3
"""Numbers that `box_token` has."""


def box_around(keypoints: Tensor, scale: float = ANNOTATED * PADDED) -> tuple[Tensor, Tensor]:
    """Centre [B, 2] and side [B] of the box around key points [B, J, 2], all in pixels."""
    low, high = keypoints.amin(1), keypoints.amax(1)
    return (low + high) / 2, scale * (high - low).amax(1)


def to_box(keypoints: Tensor, centre: Tensor, side: Tensor) -> Tensor:
    """Pixels [B, ..., 2] to (u - centre) / (side / 2), which lies in [-1, 1] inside the box."""
    shape = (-1, *[1] * (keypoints.dim() - 2))
    return (keypoints - centre.view(*shape, 2)) / (side.view(*shape, 1) / 2)


def from_box(keypoints: Tensor, centre: Tensor, side: Tensor) -> Tensor:
    """The inverse of `to_box`: [B, ..., 2] back to pixels."""
    shape = (-1, *[1] * (keypoints.dim() - 2))
    return keypoints * (side.view(*shape, 1) / 2) + centre.view(*shape, 2)


def box_token(centre: Tensor, side: Tensor, picture: Tensor, focal: Tensor | None = None) -> Tensor:
    """[B, 3]: where the box is in the picture and how large, as angles.

    centre [B, 2] and side [B] px; picture [B, 2] is its width and height in px; focal [B] px, taken for the
    picture's diagonal where it is unknown. The numbers are those of CLIFF (Li et al., ECCV 2022):
    ((c_x - W/2) 2.8/f, (c_y - H/2) 2.8/f, (s - 0.24 f)/(0.06 f)). That UniHPE's token holds them is inferred.
    """
    if focal is None:
        focal = picture.norm(dim=-1)
    from_middle = (centre - picture / 2) * (2.8 / focal)[:, None]
    size = (side - 0.24 * focal) / (0.06 * focal)
    return torch.cat([from_middle, size[:, None]], 1)
