"""Class prototypes: the mean feature of each class per modality, and how close a sample is to them.

Legend: B samples, M modalities, K classes (27 actions), D feature width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Run, Step
from equipose.models.batch import Batch

NUM_ACTIONS = 27
UNKNOWN = -1e9
"""Logit of a class without a prototype; finite, so that no sample has a NaN gradient."""


def prototype_log_probabilities(features: Tensor, prototypes: Tensor, known: Tensor) -> Tensor:
    """[B, M, K] log-softmax of minus the distance of features [B, M, D] to prototypes [M, K, D].

    known: [M, K] bool, which classes have a prototype.
    """
    apart = torch.linalg.vector_norm(features[:, :, None] - prototypes, dim=-1)
    return (-apart).where(known, UNKNOWN).log_softmax(dim=-1)


def entropies_of_actions(step: Step, prototypes: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """[B, M] cross-entropy in nats of each sample's action, and [B, M] bool: where it is defined.

    It is defined where the sample has the modality and its action has a prototype. prototypes: [M, K, D];
    known: [M, K].
    """
    features = step.outputs.features
    logs = prototype_log_probabilities(features, prototypes.to(features), known)
    action = actions_of(step.batch)
    entropies = -logs.gather(2, action[:, None, None].expand(-1, logs.shape[1], 1))[..., 0]
    return entropies, step.run.model.present_of(step.batch) & known[:, action].T


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


def class_means(run: Run, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Mean feature of every class [M, 27, D], and which classes were seen [M, 27], over all ranks.

    Computed in evaluation mode, over the samples that have the modality.
    """
    model = run.model
    sums, counts = torch.zeros(()), torch.zeros(())
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            features = model.encode(batch).double().transpose(0, 1)
            present = model.present_of(batch).T.to(features)
            members = torch.nn.functional.one_hot(actions_of(batch), NUM_ACTIONS).to(features)
            weights = present[:, :, None] * members
            sums = sums.to(features.device) + weights.transpose(1, 2) @ features
            counts = counts.to(features.device) + weights.sum(dim=1)
    sums, counts = run.mean(sums), run.mean(counts)
    dtype = next(model.parameters()).dtype
    return (sums / counts[..., None].clamp_min(1e-12)).to(dtype), counts > 0
