"""Concatenation of the features. Legend as in `models/fusion/base.py`."""

from __future__ import annotations

from torch import Tensor

from equipose.models.fusion.base import Fusion, FusionOptions, linear_coalitions
from equipose.models.heads import PoseHead, as_pose


class ConcatFusion(Fusion):
    """Concatenation: with the linear head, pose = sum_m W_m f_m + b."""

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width = modalities * feature_dim

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, M D]."""
        return features.flatten(1)

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """One product per modality instead of one per coalition."""
        return as_pose(linear_coalitions(head.linear, features, present))
