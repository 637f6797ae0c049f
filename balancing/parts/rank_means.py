"""Means over the samples of all ranks, however they are distributed."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def joined_means(values: Tensor, kept: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """[K] float64 mean of each column over its kept rows on all ranks; equal on all of them.

    values, kept: [B, K], numbers and bool. A column without a kept row on any rank gives NaN.
    """
    kept = kept.double()
    sums = mean((values.detach().double() * kept).sum(dim=0))
    return sums / mean(kept.sum(dim=0))


def shared_mean(values: Tensor, kept: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """A differentiable scalar whose average over ranks is the mean over the kept rows of all ranks.

    values, kept: [B], numbers and bool. A plain local mean would give rows more weight on a rank that keeps
    fewer. Zero if no rank keeps a row.
    """
    count = mean(kept.double().sum()).clamp_min(1e-12)
    kept_values = values.where(kept, 0)
    return kept_values.sum() / count.to(values.dtype)
