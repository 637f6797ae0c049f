"""Which modalities are strong, from their scores: two groups, or a degree for each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def two_groups(scores: Tensor) -> Tensor:
    """The high cluster of an exact two-means clustering of scalars, as the AWC paper groups modalities.

    scores: [M]. Returns [M] bool, True in the high cluster. In one dimension the best clusters are
    separated by a cut of the sorted scores, so trying the M - 1 cuts is exact and needs no random start.
    Equal scores are never separated; if all are equal (or M = 1) the high cluster is empty. Of equally good
    cuts the highest wins, i.e. the smallest high cluster.

    Examples:
        >>> two_groups(torch.tensor([40.0, 12.0, 10.0, 11.0]))
        tensor([ True, False, False, False])
    """
    values = _checked(scores)
    levels = torch.unique(values)
    if len(levels) < 2:
        return torch.zeros(len(values), dtype=torch.bool)
    costs = torch.stack(
        [_spread(values[values < level]) + _spread(values[values >= level]) for level in levels[1:]]
    )
    tied = costs <= costs.min() + 1e-12 * _spread(values)
    return values >= levels[1:][tied][-1]


def excess_share(scores: Tensor) -> Tensor:
    """[M] float64 in [0, 1]: by how much each share of the scores exceeds an equal one (ours).

    With p_m = max(0, score_m) / sum of the same, it is `max(0, p_m - 1/M) / (1 - 1/M)`: 0 at or below an
    equal share, 1 for a modality that contributes all. Unlike two clusters, which turn a small gap into a
    full difference, it is continuous in the scores, and 0 for all modalities if their scores are equal or
    none is positive (or M = 1).
    """
    kept = _checked(scores).clamp_min(0)
    if len(kept) == 1 or kept.sum() == 0:
        return torch.zeros_like(kept)
    equal = 1 / len(kept)
    return (kept / kept.sum() - equal).clamp_min(0) / (1 - equal)


def in_two_groups(scores: Tensor) -> Tensor:
    """[M] float64: 1 in the high cluster, else 0."""
    return two_groups(scores).double()


STRENGTHS: dict[str, Callable[[Tensor], Tensor]] = {"clusters": in_two_groups, "continuous": excess_share}
"""name -> scores [M] to strength [M] in [0, 1]."""


def _checked(scores: Tensor) -> Tensor:
    """[M] float64 on the CPU; raises unless all are finite."""
    if scores.ndim != 1 or not len(scores) or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"scores must be [M] finite numbers, got {scores}")
    return scores.detach().double().cpu()


def _spread(values: Tensor) -> Tensor:
    """Sum of squared deviations from the mean."""
    return (values - values.mean()).square().sum()
