"""Errors of key points in the picture, as pure functions.

Legend: B batch, J joints (17). All in pixels of the whole image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.models.encoders.pose.boxes import PADDED

PCK_THRESHOLD = 0.05
"""Of the longer side of the annotated box: the threshold of the numbers published for Human3.6M in 2021, to
which UniHPE's table 3 compares. Later versions of the same public code use 0.2."""


def endpoint_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """[B, J] px: distance of every joint (EPE is their mean)."""
    return torch.linalg.vector_norm(prediction - target, dim=-1)


def within_box(errors: Tensor, side: Tensor, threshold: float = PCK_THRESHOLD) -> Tensor:
    """[B, J] bool: errors [B, J] px below a share of the annotated box.

    side: [B] px of the crop, which is 1.25 times that of the annotated box. PCK@0.05 is the mean of each
    joint, then over joints.
    """
    return errors / (side / PADDED)[:, None] < threshold
