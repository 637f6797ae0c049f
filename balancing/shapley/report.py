"""How much each modality contributed, with everything needed to interpret the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from equipose.balancing.shapley.coalitions import Coalitions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import value_function
from equipose.balancing.shapley.values import interaction_indices
from equipose.models.randomness import numpy_rng

BASELINE = "features zero-filled"
"""How every score here represents an absent modality (as in the AWC paper)."""

DRAWS_AT_ONCE = 100
"""Bootstrap draws evaluated together; bounds memory."""


@dataclass(frozen=True, kw_only=True)
class ContributionReport:
    """Shapley contributions of every modality on one fixed sample set."""

    modalities: tuple[str, ...]
    value_function: str
    values: Tensor
    """[C] value of every coalition."""
    shapley: Tensor
    """[M]."""
    low: Tensor
    """[M] lower end of the bootstrap interval; NaN with fewer than two clusters."""
    high: Tensor
    """[M] upper end."""
    sampling_error: Tensor
    """[M] standard error due to sampling coalitions; 0 if all were evaluated."""
    level: float
    """Coverage of the interval."""
    interactions: Tensor
    """[M, M] pairwise Shapley interaction indices; NaN if coalitions were sampled."""
    residual: float
    """Deviation from efficiency; rounding only."""
    mpjpe_mm: Tensor
    """[C] mean per-joint position error of every coalition, mm, no alignment."""
    spread_mm: Tensor
    """[C] spread of every coalition's predictions, mm."""
    num_samples: int
    num_clusters: int
    cluster: str = "recording"
    """What one cluster is, of which the interval resamples whole ones."""
    baseline: str = BASELINE

    @property
    def coalitions(self) -> Coalitions:
        """The coalitions, in the order of `values`, `mpjpe_mm` and `spread_mm`."""
        return coalitions_of(len(self.modalities))

    @property
    def alone_spread_mm(self) -> Tensor:
        """[M] spread of the predictions from each modality alone, mm."""
        return self.spread_mm[self.coalitions.alone]


def bootstrap_interval(
    statistics: CoalitionStatistics,
    coalitions: Coalitions,
    value: str = "pearson",
    *,
    seed: int,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """Percentile interval of the Shapley values by resampling whole clusters (Efron 1979).

    Frames of one person depend on each other, so subjects (or recordings) are drawn, not frames. If the
    coalitions are a sample, its independent estimates are drawn as well, so the interval covers both.
    Returns (low [M], high [M]) float64; NaN with fewer than two clusters, which show no spread.
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be at least 1 and level in (0, 1), got {draws} and {level}")
    clusters, rounds = len(statistics.clusters), len(coalitions.maps)
    counts = _resampled(clusters, draws, seed, "bootstrap").split(DRAWS_AT_ONCE)
    shares = (_resampled(rounds, draws, seed, "rounds") / rounds).split(DRAWS_AT_ONCE)
    value_of = value_function(value)
    scores = torch.cat(
        [
            (share[..., None] * coalitions.estimates(value_of(statistics, count))).sum(dim=1)
            for count, share in zip(counts, shares, strict=True)
        ]
    )
    if clusters < 2:
        return torch.full_like(scores[0], torch.nan), torch.full_like(scores[0], torch.nan)
    tail = (1 - level) / 2
    return scores.quantile(tail, dim=0), scores.quantile(1 - tail, dim=0)


def _resampled(units: int, draws: int, seed: int, purpose: str) -> Tensor:
    """[draws, units] float64: how often each draw with replacement takes each unit."""
    counts = numpy_rng(seed, purpose).multinomial(units, np.full(units, 1 / units), size=draws)
    return torch.from_numpy(counts).double()


def contribution_report(
    statistics: CoalitionStatistics,
    modalities: Sequence[str],
    *,
    value: str = "pearson",
    seed: int,
    draws: int = 1000,
    level: float = 0.95,
    cluster: str = "recording",
) -> ContributionReport:
    """The contributions of the modalities, from the statistics of `coalitions_of(M)`.

    cluster: what a cluster of the statistics is, for the reader of the report.
    """
    coalitions = coalitions_of(len(modalities))
    values = value_function(value)(statistics)
    shapley = coalitions.shapley(values)
    low, high = bootstrap_interval(statistics, coalitions, value, seed=seed, draws=draws, level=level)
    return ContributionReport(
        modalities=tuple(modalities),
        value_function=value,
        values=values,
        shapley=shapley,
        low=low,
        high=high,
        sampling_error=coalitions.sampling_error(values),
        level=level,
        interactions=interaction_indices(values) if coalitions.exact else _unknown(len(modalities)),
        residual=float((shapley.sum() - (values[-1] - values[0])).abs()),
        mpjpe_mm=statistics.mpjpe_mm(),
        spread_mm=1000 * statistics.prediction_spread(),
        num_samples=int(statistics.count.sum()),
        num_clusters=len(statistics.clusters),
        cluster=cluster,
    )


def _unknown(modalities: int) -> Tensor:
    """[M, M] of NaN."""
    return torch.full((modalities, modalities), torch.nan, dtype=torch.float64)
