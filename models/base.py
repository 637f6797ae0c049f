"""What every model over several sensors has: an encoder for each, run independently of the others.

Shapes as in `models/batch.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from equipose.models.batch import Batch
from equipose.models.compute.computing import Computing
from equipose.models.compute.config import ComputeConfig
from equipose.models.compute.recomputing import Recomputing
from equipose.models.inputs import InputNorm, InputStatistics


def scaled(norm: nn.Module | None, inputs: Tensor, present: Tensor) -> Tensor:
    """Inputs of one modality as scaled for its encoder, finite where `present` [B] is False."""
    # A dropped input is still encoded, so that dropping does not change batch statistics; but one that is
    # not finite would give a NaN gradient, although its feature is replaced by zero.
    usable = inputs.isfinite() | present.view(-1, *[1] * (inputs.dim() - 1))
    inputs = inputs.where(usable, 0)
    return inputs if norm is None else norm(inputs)


def features_of(
    encoder: nn.Module, norm: nn.Module | None, inputs: Tensor, mask: Tensor | None, present: Tensor
) -> Tensor:
    """Features [B, D] of one modality, of any value where `present` [B] is False; shapes as in a batch."""
    features: Tensor = encoder(scaled(norm, inputs, present), mask)
    return features


class SensorModel(nn.Module):
    """Encoders of M sensors; what becomes of their features is up to the subclass.

    Features are computed once, and every coalition of sensors is a cheap second half.
    """

    modalities: tuple[str, ...]
    """In the order of M."""

    def __init__(self, encoders: Mapping[str, nn.Module], inputs: Mapping[str, InputNorm]) -> None:
        """encoders: each is called as `encoder(inputs, mask or None)`; inputs: modality -> scaling of its
        input; what is left out is encoded as it is."""
        super().__init__()
        self.modalities = tuple(encoders)
        self.inputs = nn.ModuleDict(inputs)
        self.encoders = nn.ModuleDict(encoders)
        self.frozen: tuple[str, ...] = ()
        self.scaled_already: frozenset[str] = frozenset()
        self.computing = Computing()

    def compute_as(self, config: ComputeConfig) -> None:
        """How the encoders compute while the model trains, see `ComputeConfig`."""
        self.computing = Computing(config)
        for module in self.modules():
            if isinstance(module, Recomputing):
                module.recomputes = config.activation_checkpointing

    def fit_inputs(self, statistics: Mapping[str, InputStatistics]) -> None:
        """Scale inputs by the statistics of a training part: modality -> centre and scale.

        Those in `scaled_already` stay as they are.
        """
        for name, norm in self.inputs.items():
            if name not in self.scaled_already:
                assert isinstance(norm, InputNorm)
                norm.fit(statistics[name])

    def freeze(self, parts: tuple[str, ...]) -> None:
        """Keep the weights of these submodules, such as `encoders.lidar`, and leave them in evaluation mode.

        Raises ValueError for a part that the model does not have.
        """
        for part in parts:
            try:
                self.get_submodule(part).requires_grad_(False)
            except AttributeError as error:
                known = sorted(name for name, _ in self.named_modules() if 0 < name.count(".") + 1 <= 2)
                raise ValueError(f"frozen={part!r}: the model has no such part; known: {known}") from error
        self.frozen = parts
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, frozen parts excepted."""
        super().train(mode)
        for part in self.frozen:
            self.get_submodule(part).eval()
        return self

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
        features = [self.encode_one(name, batch, present[:, m]) for m, name in enumerate(self.modalities)]
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
        # Stacked, not written in place, so that a trace of it stays simple.
        present = torch.stack([there.get(m, absent) for m in range(len(self.modalities))], 1)
        encoded = {m: self.encode_one(name, batch, present[:, m]) for m, name in held.items()}
        nothing = torch.zeros_like(next(iter(encoded.values())))
        features = [encoded.get(m, nothing) for m in range(len(self.modalities))]
        return torch.stack(features, 1).where(present[..., None], 0), present

    def encode_one(self, name: str, batch: Batch, present: Tensor) -> Tensor:
        """Features [B, D] of one modality, present [B] bool; meaningless where it is absent."""
        norm = self.inputs[name] if name in self.inputs else None  # noqa: SIM401 - it has no get
        inputs = self.adapted(name, scaled(norm, batch.inputs[name], present), batch)
        return self.run_encoder(name, inputs, *self.beside(name, batch))

    def run_encoder(self, name: str, *given: Any) -> Tensor:
        """What an encoder makes of its inputs; while the model trains, computed as `compute_as` said."""
        return self.computing.run(self.encoders[name], *given, training=self.training)

    def adapted(self, name: str, inputs: Tensor, batch: Batch) -> Tensor:
        """The scaled inputs of a modality as its encoder takes them."""
        return inputs

    def beside(self, name: str, batch: Batch) -> tuple[Any, ...]:
        """What an encoder gets beside its inputs: the mask, where the sensor has one."""
        return (batch.masks.get(name),)

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        """Pose [B, 17, 3] m from features [B, M, D] and present [M] or [B, M] bool (None: all)."""
        raise NotImplementedError

    def fuse_coalitions(self, features: Tensor, masks: Tensor, present: Tensor | None = None) -> Tensor:
        """Poses [C, B, 17, 3] m for C coalitions at once: `fuse(features, masks[c] & present)` for every c.

        features [B, M, D]; masks [C, M] bool; present [B, M] bool is what the data itself has (None: all).
        """
        chosen = masks if present is None else masks[:, None] & present
        return torch.stack([self.fuse(features, kept) for kept in chosen])

    def agreement(self, features: Tensor, batch: Batch) -> Tensor | None:
        """[B, M] cosines of features [B, M, D] with what the model makes of the true poses; None where it
        makes nothing of poses."""
        return None

    def every_layer(self, batch: Batch) -> object:
        """A pass through every layer that keeps statistics of its batches."""
        return self(batch)

    def encoder_parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """Encoder -> name as in `named_parameters()` -> parameter; the encoders are the modalities first."""
        return {
            name: {f"encoders.{name}.{key}": parameter for key, parameter in encoder.named_parameters()}
            for name, encoder in self.encoders.items()
        }


Route = tuple[str, str]
"""Source, a sensor or `skeleton`; target, `pose` or `keypoints`."""


class RoutedModel(SensorModel):
    """A model with ways from one view of a person to another, each of which can be judged by itself."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every way from its own inputs; `follow` may know others, out of what else is in a batch."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """How poses are made, for tables."""
        raise NotImplementedError

    def follow(self, batch: Batch) -> dict[Route, Tensor]:
        """What every route makes of a batch: poses [B, 17, 3] m relative to the pelvis, or key points
        [B, 17, 2] relative to the box. A row whose source is absent has an answer too."""
        raise NotImplementedError
