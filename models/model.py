"""The pose model: one encoder per modality, a fusion, a linear pose head, optional unimodal heads.

Encoders are independent of each other, so features are computed once and every coalition of modalities is
one cheap `fuse`. Shapes as in `models/batch.py`; C is the number of coalitions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from equipose.models.base import SensorModel
from equipose.models.batch import Batch, Outputs
from equipose.models.fusion import Fusion
from equipose.models.heads import PoseHead, UnimodalHeads
from equipose.models.inputs import InputNorm


class PoseModel(SensorModel):
    """Sensors to a pose [B, 17, 3] in metres."""

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        fusion: Fusion,
        head: PoseHead,
        heads: UnimodalHeads | None = None,
        inputs: Mapping[str, InputNorm] | None = None,
        missing: Tensor | None = None,
    ) -> None:
        """The order of `encoders` is the order of M; each is called as `encoder(inputs, mask or None)`.

        inputs: modality -> scaling of its input; what is left out is encoded as it is.
        missing: [M, D] first values of learnt tokens that the fusion sees in place of the features of absent
        modalities; None: it sees zeros.
        """
        super().__init__(encoders, inputs or {})
        self.fusion = fusion
        self.head = head
        self.heads = heads
        self.missing = None if missing is None else nn.Parameter(missing)

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        """Pose [B, 17, 3] m from features [B, M, D] and present [M] or [B, M] bool (None: all)."""
        if present is None:
            present = features.new_ones(features.shape[:2], dtype=torch.bool)
        present = present.expand(features.shape[:2])
        if self.missing is not None:
            # To the fusion a token is a feature like any other, never something to leave out.
            features, present = features.where(present[..., None], self.missing), torch.ones_like(present)
        pose: Tensor = self.head(self.fusion(features.where(present[..., None], 0), present))
        return pose

    def fuse_coalitions(self, features: Tensor, masks: Tensor, present: Tensor | None = None) -> Tensor:
        """Poses [C, B, 17, 3] m for C coalitions at once: `fuse(features, masks[c] & present)` for every c.

        features [B, M, D]; masks [C, M] bool; present [B, M] bool is what the data itself has (None: all).
        """
        kept = masks[:, None].expand(-1, len(features), -1)
        if present is not None:
            kept = kept & present
        if self.missing is not None:
            # The fusions' shortcuts rely on zeros.
            return torch.stack([self.fuse(features, chosen) for chosen in kept])
        if present is not None:
            # A dropped feature can be infinite, and zero times infinity is NaN.
            features = features.where(present[..., None], 0)
        return self.fusion.coalitions(features, kept, self.head)

    def forward(self, batch: Batch) -> Outputs:
        """Encode, fuse what is present, and apply every unimodal head."""
        features = self.encode(batch)
        pose = self.fuse(features, self.present_of(batch))
        return Outputs(features=features, pose=pose, unimodal=self.unimodal(features))

    def unimodal(self, features: Tensor) -> dict[str, Tensor]:
        """modality -> pose [B, 17, 3] m of its own head; empty if the model has no unimodal heads."""
        return {} if self.heads is None else self.heads(features)
