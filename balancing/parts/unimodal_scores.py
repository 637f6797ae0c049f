"""How well each modality does alone, for methods that slow down the modalities ahead.

The published methods use the true class's probability from each modality's share of the logits. For poses
we map the error of each modality's own prediction to a bounded score.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Step
from equipose.balancing.parts.rank_means import joined_means
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of

Source = Literal["coalition", "heads"]
"""Which prediction is scored. `coalition`: the model's own with all other features zero, for any fusion; for
concatenation it is W_m f_m plus a constant. `heads`: the modality's unimodal head, trained as a probe."""

Ratio = Literal["mean", "weakest"]
SOURCES: tuple[str, ...] = ("coalition", "heads")
RATIOS: tuple[str, ...] = ("mean", "weakest")


def unimodal_predictions(step: Step, source: Source) -> Tensor:
    """[B, M, J, 3] m, without gradient; draws no random number and changes no statistics."""
    model, features = step.run.model, step.outputs.features.detach()
    with torch.no_grad(), evaluating(model.fusion):
        if source == "heads":
            return torch.stack(list(model.unimodal(features).values()), dim=1)
        alone = torch.eye(len(model.modalities), dtype=torch.bool, device=features.device)
        return model.fuse_coalitions(features, alone, model.present_of(step.batch)).transpose(0, 1)


def shapley_responses(step: Step) -> Tensor:
    """[B, M, J, 3] m each modality's Shapley share of the prediction, differentiable in all weights.

    Over all coalitions with the empty one, so they sum to the full prediction minus the empty one's. The
    fusion runs in evaluation mode: dropout masks would differ between coalitions.
    """
    model = step.run.model
    with evaluating(model.fusion):
        poses = coalition_predictions(model, step.outputs.features, model.present_of(step.batch))
    shares = coalitions_of(len(model.modalities)).shapley(poses.movedim(0, -1))
    return shares.movedim(-1, 1).to(poses.dtype)


def unimodal_errors(step: Step, predictions: Tensor, *, centred: bool) -> Tensor:
    """[M] float64 MPJPE in m of [B, M, J, 3] predictions, over the rows that have the modality.

    centred: first shift each modality's predictions so that their mean over the rows is the mean target. A
    share of a prediction has no position of its own, and one modality alone lacks the others' part of it.
    A modality that no row of the step has counts as average. Over all ranks; equal on all of them.
    """
    mean, target = step.run.mean, step.batch.pose[:, None]
    kept = step.run.model.present_of(step.batch)
    predictions = predictions.detach()
    if centred:
        offset = (target - predictions).flatten(1)
        every = kept[:, :, None].expand(*kept.shape, offset.shape[1] // kept.shape[1]).flatten(1)
        predictions = predictions + joined_means(offset, every, mean).view(predictions.shape[1:]).to(target)
    errors = torch.linalg.vector_norm(predictions - target, dim=-1).mean(dim=-1)
    joined = joined_means(errors, kept, mean)
    return joined.where(joined.isfinite(), joined.nanmean().nan_to_num(1.0))


def relative_errors(errors: Tensor, temperature: float | None) -> Tensor:
    """[M] errors without a unit: divided by a temperature in m, or by their mean if it is None."""
    return errors / (errors.mean() if temperature is None else temperature)


def bounded_scores(errors: Tensor, temperature: float | None) -> Tensor:
    """[M] scores exp(-e / tau) in (0, 1]; higher is better."""
    return torch.exp(-relative_errors(errors, temperature))


def discrepancy_ratio(scores: Tensor, ratio: Ratio) -> Tensor:
    """[M] how far each modality is ahead: above 1 for modalities ahead.

    `mean`: the mean over the others n of s_m / s_n; `weakest`: s_m over the smallest score. With two
    modalities both are the published ratio for the one ahead.
    """
    if ratio == "weakest":
        return scores / scores.min()
    ratios = scores[:, None] / scores[None, :]
    return (ratios.sum(dim=1) - 1) / max(len(scores) - 1, 1)
