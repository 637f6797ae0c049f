"""How much every sensor contributes on given batches, and how well it does alone: one pass, all coalitions.

Legend: M modalities, C coalitions.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import Run
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.models.batch import Batch


def coalition_pass(run: Run, batches: Iterable[Batch]) -> CoalitionStatistics:
    """Statistics of `coalitions_of(M)` over all ranks, as one row. batches: this rank's, at least one."""
    model = run.model
    parts = []
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            predictions = coalition_predictions(model, model.encode(batch), model.present_of(batch))
            one_group = torch.zeros(len(batch), dtype=torch.int64)
            parts.append(CoalitionStatistics.from_predictions(predictions, batch.pose, one_group))
    return CoalitionStatistics.merged(parts).reduced(run.mean)


def contributions(statistics: CoalitionStatistics, modalities: int) -> Tensor:
    """[M] float64 Pearson Shapley values; they sum to the full model's profit, at most 51."""
    return coalitions_of(modalities).shapley(pearson_profit(statistics))


def shares(scores: Tensor) -> Tensor:
    """[M] each sensor's share of the positive part of scores [M]; equal shares where none is positive.

    Examples:
        >>> shares(torch.tensor([3.0, 1.0, -1.0])).tolist()
        [0.75, 0.25, 0.0]
    """
    positive = scores.double().clamp_min(0)
    total = positive.sum()
    return positive / total if total > 0 else torch.full_like(positive, 1 / len(positive))


def errors_alone(statistics: CoalitionStatistics, modalities: int) -> Tensor:
    """[M] float64 mean error of each sensor alone, m."""
    return statistics.mpjpe_mm()[coalitions_of(modalities).alone] / 1000


def full_error(statistics: CoalitionStatistics) -> float:
    """Mean error of the full model, m."""
    return float(statistics.mpjpe_mm()[-1]) / 1000
