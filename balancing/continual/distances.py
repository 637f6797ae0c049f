"""The distance to former predictions, from which a task starts with a distance of zero."""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.losses import PerSampleLoss

ROUNDING = 100.0
"""Coordinates closer than so many times the precision, relative to the largest, are taken for equal."""


def distance_to(loss: PerSampleLoss, poses: Tensor, former: Tensor) -> Tensor:
    """[B] m, by the task's loss, from poses [B, 17, 3] m to former predictions of the same shape.

    Joints that agree to rounding have neither distance nor gradient. Without this, the gradient of a norm
    just beside zero would be as long as anywhere and point where rounding says, which differs between ranks
    and batch sizes; at a task's first step that would be every joint.
    """
    size = former.detach().abs().max() if former.numel() else former.new_zeros(())
    floor = ROUNDING * torch.finfo(poses.dtype).eps * size
    moved = ((poses.detach() - former).abs() > floor).any(dim=-1, keepdim=True)
    return loss(poses, former.where(moved, poses.detach()))
