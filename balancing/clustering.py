"""Splitting modalities into a strong and a weak group by their scores."""

from __future__ import annotations

import torch
from torch import Tensor


def two_groups(scores: Tensor) -> Tensor:
    """The high cluster of an exact two-means clustering of scalars (paper A groups modalities so).

    scores: [M]. Returns [M] bool, True in the high cluster. In one dimension the best clusters are
    separated by a cut of the sorted scores, so trying the M - 1 cuts is exact and needs no random start.
    Equal scores are never separated; when all are equal (or M = 1) nobody is in the high cluster. Of
    equally good cuts the highest wins, i.e. the smallest high cluster.
    """
    if scores.ndim != 1 or not len(scores) or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"scores must be [M] finite numbers, got {scores}")
    values = scores.detach().double().cpu()
    levels = torch.unique(values)
    if len(levels) < 2:
        return torch.zeros(len(values), dtype=torch.bool)
    costs = torch.stack(
        [_spread(values[values < level]) + _spread(values[values >= level]) for level in levels[1:]]
    )
    tied = costs <= costs.min() + 1e-12 * _spread(values)
    return values >= levels[1:][tied][-1]


def _spread(values: Tensor) -> Tensor:
    """Sum of squared deviations from the mean."""
    return (values - values.mean()).square().sum()
