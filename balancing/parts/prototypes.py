"""Class prototypes: the mean feature of each class per modality, and how close a sample is to them.

Features are standardised before any distance is taken, dimension by dimension: their scale is the network's
own choice, and raw distances much below 1 would give every class the same probability.

Legend: B samples, M modalities, K classes (27 actions), D feature width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Step
from equipose.balancing.run import Run
from equipose.models.batch import Batch

NUM_ACTIONS = 27
UNKNOWN = -1e9
"""Logit of a class without a prototype; finite, so that no sample has a NaN gradient."""
LEAST_VARIANCE = 1e-3
"""Added to each dimension's variance, as a share of the modality's mean variance: a dimension that hardly
moves would otherwise be blown up."""


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """What one pass over data says about the features of every class."""

    means: Tensor
    """[M, K, D] standardised mean feature of each class."""
    known: Tensor
    """[M, K] bool, which classes have one."""
    centre: Tensor
    """[M, D] mean of all features of the pass."""
    spread: Tensor
    """[M, D] their standard deviation, never 0."""

    def standardised(self, features: Tensor) -> Tensor:
        """[B, M, D] features without unit; their gradient passes, that of the statistics does not."""
        return (features - self.centre.to(features)) / self.spread.to(features)

    def renewed(self, new: Prototypes, momentum: float) -> Prototypes:
        """The next epoch's: class means mixed with the new ones, the statistics replaced by theirs.

        momentum: weight of the old prototype of a class that has both.
        """
        old, known = self.means.to(new.means), self.known.to(new.known.device)
        means, known = renewed(old, known, new.means, new.known, momentum)
        return Prototypes(means=means, known=known, centre=new.centre, spread=new.spread)

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return asdict(self)


def prototype_log_probabilities(features: Tensor, prototypes: Tensor, known: Tensor) -> Tensor:
    """[B, M, K] log-softmax of minus the distance of features [B, M, D] to prototypes [M, K, D].

    known: [M, K] bool, which classes have a prototype.
    """
    apart = torch.linalg.vector_norm(features[:, :, None] - prototypes, dim=-1)
    return (-apart).where(known, UNKNOWN).log_softmax(dim=-1)


def entropies_of_actions(step: Step, prototypes: Prototypes) -> tuple[Tensor, Tensor]:
    """[B, M] cross-entropy in nats of each sample's action, and [B, M] bool: where it is defined.

    It is defined where the sample has the modality and its action has a prototype.
    """
    features, known = prototypes.standardised(step.outputs.features), prototypes.known
    logs = prototype_log_probabilities(features, prototypes.means.to(features), known.to(features.device))
    action = actions_of(step.batch)
    entropies = -logs.gather(2, action[:, None, None].expand(-1, logs.shape[1], 1))[..., 0]
    return entropies, step.run.model.present_of(step.batch) & known.to(action.device)[:, action].T


def renewed(old: Tensor, known: Tensor, new: Tensor, seen: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """Prototypes [M, K, D] and which exist [M, K], from old ones and new means of the same shapes.

    momentum: weight of the old prototype where both exist; a class with only one of them keeps that one.
    """
    either = old.where(known[..., None], new)
    mixed = momentum * old + (1 - momentum) * new
    return mixed.where((known & seen)[..., None], either), known | seen


def actions_of(batch: Batch) -> Tensor:
    """[B] int64 classes from 0. Raises ValueError for data without action labels."""
    if "action" not in batch.labels:
        raise ValueError(f"pmr needs the label 'action', the batch has {sorted(batch.labels)}; load it too")
    return batch.labels["action"].to(batch.pose.device) - 1


def prototypes_of(run: Run, batches: Iterable[Batch]) -> Prototypes:
    """Prototypes and feature statistics of one pass, over the samples of all ranks that have the modality.

    Computed in evaluation mode, from sums in float64 that are reduced over ranks before anything else.
    """
    model = run.model
    sums, squares, counts = torch.zeros(()), torch.zeros(()), torch.zeros(())
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            features = model.encode(batch).double().transpose(0, 1)
            present = model.present_of(batch).T.to(features)
            members = torch.nn.functional.one_hot(actions_of(batch), NUM_ACTIONS).to(features)
            weights = present[:, :, None] * members
            sums = sums.to(features.device) + weights.transpose(1, 2) @ features
            squares = squares.to(features.device) + (present[:, :, None] * features.square()).sum(dim=1)
            counts = counts.to(features.device) + weights.sum(dim=1)
    sums, squares, counts = (run.mean(part) for part in (sums, squares, counts))
    return _from_sums(sums, squares, counts, next(model.parameters()).dtype)


def _from_sums(sums: Tensor, squares: Tensor, counts: Tensor, dtype: torch.dtype) -> Prototypes:
    """From sums of features [M, K, D] by class, squares [M, D] over all, and counts [M, K]."""
    rows = counts.sum(dim=1, keepdim=True).clamp_min(1e-12)
    centre = sums.sum(dim=1) / rows
    variance = (squares / rows - centre.square()).clamp_min(0)
    variance = variance + LEAST_VARIANCE * variance.mean(dim=1, keepdim=True)
    spread = torch.where(variance > 1e-20, variance, 1.0).sqrt()
    means = sums / counts[..., None].clamp_min(1e-12)
    means = ((means - centre[:, None]) / spread[:, None]) * (counts > 0)[..., None]
    return Prototypes(
        means=means.to(dtype), known=counts > 0, centre=centre.to(dtype), spread=spread.to(dtype)
    )
