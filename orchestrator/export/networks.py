"""The networks that are exported: the whole model and each encoder, from named tensors to one tensor.

Which sensors a frame has is read off their values, so that no other input is needed: a sensor with a value
that is not a finite number counts as absent in that frame, and so does a cloud without a real point, as in a
prepared store. Legend: B batch, M sensors, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from equipose.models.base import features_of
from equipose.models.batch import Batch
from equipose.models.fusion import Fusion
from equipose.models.heads import PoseHead
from equipose.models.inputs import InputNorm
from equipose.models.model import PoseModel
from equipose.models.skeleton import NUM_JOINTS
from equipose.orchestrator.export.signature import MASK


def usable(values: Tensor, mask: Tensor | None) -> Tensor:
    """[B] bool: whether a sensor says anything in a frame, from its values [B, ...] and mask [B, N]."""
    if mask is None:
        return values.isfinite().flatten(1).all(1)
    return (values.isfinite().all(2) | ~mask).all(1) & mask.any(1)


def narrowed(model: PoseModel, sensors: Sequence[str]) -> PoseModel:
    """The same model without what the other sensors' encoders and the unimodal heads weigh."""
    assert isinstance(model.fusion, Fusion)
    assert isinstance(model.head, PoseHead)
    encoders = {
        name: encoder if name in sensors else nn.Identity() for name, encoder in model.encoders.items()
    }
    norms = {name: norm for name, norm in model.inputs.items() if name in sensors}
    inputs = {name: norm for name, norm in norms.items() if isinstance(norm, InputNorm)}
    small = PoseModel(encoders, model.fusion, model.head, inputs=inputs)
    small.missing = model.missing
    return small.eval()


class PoseNetwork(nn.Module):
    """Named inputs to poses [B, 17, 3], metres."""

    def __init__(self, model: PoseModel, sensors: Sequence[str]) -> None:
        """sensors: which the network takes; the others of the model are absent in every frame."""
        super().__init__()
        self.sensors = tuple(sensors)
        self.model = narrowed(model, sensors)
        self.eval()

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        """values: as `inputs_of` names and shapes them."""
        masks = {name: values[name + MASK] for name in self.sensors if name + MASK in values}
        present = torch.stack([usable(values[name], masks.get(name)) for name in self.sensors], 1)
        rows = present.shape[0]
        batch = Batch(
            inputs={name: values[name] for name in self.sensors},
            masks=masks,
            present=present,
            pose=values[self.sensors[0]].new_zeros(rows, NUM_JOINTS, 3),
            index=torch.arange(rows, device=present.device),
        )
        return self.model.fuse(*self.model.encode_held(batch))


class EncoderNetwork(nn.Module):
    """Named inputs of one sensor to its features [B, D], zero where the sensor is absent."""

    def __init__(self, model: PoseModel, sensor: str) -> None:
        super().__init__()
        self.sensor = sensor
        self.encoder = model.encoders[sensor]
        self.norm = dict(model.inputs.items()).get(sensor)
        self.eval()

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        """values: as `inputs_of` names and shapes them."""
        inputs, mask = values[self.sensor], values.get(self.sensor + MASK)
        present = usable(inputs, mask)
        return features_of(self.encoder, self.norm, inputs, mask, present).where(present[:, None], 0)
