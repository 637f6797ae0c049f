"""All subsets of the modalities, and what a model predicts from each of them.

Features are computed once; an absent modality is a zeroed feature (paper A), so a coalition costs one
fusion and no encoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from balancing.shapley import MAX_PLAYERS

if TYPE_CHECKING:
    from models.model import PoseModel


def coalition_masks(num_modalities: int) -> Tensor:
    """[2^M, M] bool; row `S` has bit `m` of `S` in column `m`, so the last row is the full model."""
    if not 1 <= num_modalities <= MAX_PLAYERS:
        raise ValueError(f"num_modalities must lie in 1..{MAX_PLAYERS}, got {num_modalities}")
    codes = torch.arange(1 << num_modalities)
    return (codes[:, None] >> torch.arange(num_modalities) & 1).bool()


def coalition_predictions(model: PoseModel, features: Tensor, present: Tensor) -> Tensor:
    """Poses that the model predicts from every coalition.

    features: [B, M, D]; present: [B, M] bool, what the data itself lacks. Returns [2^M, B, J, 3] m.
    """
    masks = coalition_masks(features.shape[1]).to(features.device)
    return model.fuse_coalitions(features, masks, present)
