"""The pose model: one encoder per modality, a fusion, a linear pose head, optional unimodal heads.

Encoders are independent of each other, so features are computed once and every coalition of modalities is
one cheap `fuse`. Shapes as in `models/batch.py`; C is the number of coalitions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from equipose.models.batch import Batch, Outputs
from equipose.models.fusion import Fusion
from equipose.models.heads import PoseHead, UnimodalHeads
from equipose.models.inputs import InputNorm, InputStatistics


def features_of(
    encoder: nn.Module, norm: nn.Module | None, inputs: Tensor, mask: Tensor | None, present: Tensor
) -> Tensor:
    """Features [B, D] of one modality, of any value where `present` [B] is False; shapes as in a batch."""
    # A dropped input is still encoded, so that dropping does not change batch statistics; but one that is
    # not finite would give a NaN gradient, although its feature is replaced by zero.
    usable = inputs.isfinite() | present.view(-1, *[1] * (inputs.dim() - 1))
    inputs = inputs.where(usable, 0)
    if norm is not None:
        inputs = norm(inputs)
    features: Tensor = encoder(inputs, mask)
    return features


class PoseModel(nn.Module):
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
        super().__init__()
        self.modalities: tuple[str, ...] = tuple(encoders)
        self.inputs = nn.ModuleDict(inputs or {})
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.head = head
        self.heads = heads
        self.missing = None if missing is None else nn.Parameter(missing)

    def fit_inputs(self, statistics: Mapping[str, InputStatistics]) -> None:
        """Scale inputs by the statistics of a training part: modality -> centre and scale."""
        for name, norm in self.inputs.items():
            assert isinstance(norm, InputNorm)
            norm.fit(statistics[name])

    def present_of(self, batch: Batch) -> Tensor:
        """[B, M] bool: `batch.present` in this model's order; ValueError if the batch lacks a modality."""
        columns = list(batch.inputs)
        missing = [name for name in self.modalities if name not in columns]
        if missing:
            raise ValueError(f"the batch holds {columns} but the model also needs {missing}; load them too")
        return batch.present[:, [columns.index(name) for name in self.modalities]]

    def encode(self, batch: Batch) -> Tensor:
        """Features [B, M, D]; exactly zero where a modality is absent, whatever its input."""
        present = self.present_of(batch)
        features = [self._encode_one(name, batch, present[:, m]) for m, name in enumerate(self.modalities)]
        return torch.stack(features, 1).where(present[..., None], 0)

    def encode_held(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(features [B, M, D], present [B, M]) from the sensors that the batch holds, one at least.

        The other sensors count as absent, and their encoders are not run; in evaluation mode the pose that
        `fuse` gives is that of a batch whose other sensors are marked absent.
        """
        columns = list(batch.inputs)
        held = {m: name for m, name in enumerate(self.modalities) if name in columns}
        if not held:
            raise ValueError(f"the batch holds {columns}, no sensor of the model: {self.modalities}")
        absent = torch.zeros_like(batch.present[:, 0])
        there = {m: batch.present[:, columns.index(name)] for m, name in held.items()}
        present = torch.stack([there.get(m, absent) for m in range(len(self.modalities))], 1)
        encoded = {m: self._encode_one(name, batch, present[:, m]) for m, name in held.items()}
        nothing = torch.zeros_like(next(iter(encoded.values())))
        features = [encoded.get(m, nothing) for m in range(len(self.modalities))]
        return torch.stack(features, 1).where(present[..., None], 0), present

    def _encode_one(self, name: str, batch: Batch, present: Tensor) -> Tensor:
        norm = self.inputs[name] if name in self.inputs else None  # noqa: SIM401 - it has no get
        return features_of(self.encoders[name], norm, batch.inputs[name], batch.masks.get(name), present)

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

    def encoder_parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """modality -> name as in `named_parameters()` -> encoder parameter."""
        return {
            modality: {
                f"encoders.{modality}.{name}": parameter
                for name, parameter in self.encoders[modality].named_parameters()
            }
            for modality in self.modalities
        }
