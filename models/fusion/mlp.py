"""Two layers on the concatenated features. Legend as in `models/fusion/base.py`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.fusion.base import Fusion, FusionOptions, linear_coalitions
from equipose.models.heads import PoseHead


class MLPFusion(Fusion):
    """Concatenation, then two layers with ReLU: M D -> hidden -> D."""

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width = feature_dim
        self.enter = nn.Linear(modalities * feature_dim, options.hidden)
        self.leave = nn.Linear(options.hidden, feature_dim)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, D]."""
        return self._finish(self.enter(features.flatten(1)))

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """The first, widest layer is computed once per modality; only the rest once per coalition."""
        # Batch first, the memory layout of the products, so what follows copies nothing.
        hidden = linear_coalitions(self.enter, features, present).transpose(0, 1)
        poses: Tensor = head(self._finish(hidden))
        return poses.transpose(0, 1)

    def _finish(self, hidden: Tensor) -> Tensor:
        hidden = self.dropout(F.relu(hidden, inplace=True))
        return F.relu(self.leave(hidden), inplace=True)
