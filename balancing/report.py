"""How much each modality contributed, with everything needed to read the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from balancing.profit import value_function
from balancing.shapley import efficiency_residual, interaction_indices, shapley_values
from balancing.statistics import CoalitionStatistics
from models.modalities import subset_name
from models.randomness import numpy_rng

BASELINE = "features zero-filled"
"""What stands for an absent modality in every score here (paper A)."""

DRAWS_AT_ONCE = 100
"""Bootstrap draws evaluated together; bounds memory."""


@dataclass(frozen=True, kw_only=True)
class ContributionReport:
    """Shapley contributions of every modality on one fixed sample set."""

    modalities: tuple[str, ...]
    value_function: str
    values: Tensor
    """[2^M] worth of every coalition, by bitmask."""
    shapley: Tensor
    """[M]."""
    low: Tensor
    """[M] lower end of the bootstrap interval; NaN with fewer than two clusters."""
    high: Tensor
    """[M] upper end."""
    level: float
    """Coverage of the interval."""
    interactions: Tensor
    """[M, M] pairwise Shapley interaction indices."""
    residual: float
    """Deviation from efficiency; rounding only."""
    mpjpe_mm: Tensor
    """[2^M] mean per-joint position error of every coalition, mm, no alignment."""
    spread_mm: Tensor
    """[2^M] spread of every coalition's predictions, mm."""
    num_samples: int
    num_clusters: int
    baseline: str = BASELINE

    def subset_mpjpe_mm(self) -> dict[str, float]:
        """Short coalition name, such as `RL`, -> MPJPE in mm; the empty coalition is `none`."""
        named = enumerate(self.mpjpe_mm.tolist())
        return {subset_name(mask, self.modalities): error for mask, error in named}


def bootstrap_interval(
    statistics: CoalitionStatistics,
    value: str = "pearson",
    *,
    seed: int,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """Percentile interval of the Shapley values by resampling whole clusters (Efron 1979).

    Frames of one recording depend on each other, so recordings are drawn, not frames. Returns (low [M],
    high [M]) float64; NaN with fewer than two clusters, where no spread can be seen.
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be at least 1 and level in (0, 1), got {draws} and {level}")
    clusters = len(statistics.clusters)
    counts = numpy_rng(seed, "bootstrap").multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    value_of = value_function(value)
    parts = torch.from_numpy(counts).double().split(DRAWS_AT_ONCE)
    scores = torch.cat([shapley_values(value_of(statistics, weights)) for weights in parts])
    if clusters < 2:
        return torch.full_like(scores[0], torch.nan), torch.full_like(scores[0], torch.nan)
    tail = (1 - level) / 2
    return scores.quantile(tail, dim=0), scores.quantile(1 - tail, dim=0)


def contribution_report(
    statistics: CoalitionStatistics,
    modalities: Sequence[str],
    *,
    value: str = "pearson",
    seed: int,
    draws: int = 1000,
    level: float = 0.95,
) -> ContributionReport:
    """Everything that the statistics say about the modalities' contributions."""
    values = value_function(value)(statistics)
    if len(values) != 1 << len(modalities):
        raise ValueError(
            f"{len(modalities)} modalities need {1 << len(modalities)} coalitions, got {len(values)}"
        )
    low, high = bootstrap_interval(statistics, value, seed=seed, draws=draws, level=level)
    return ContributionReport(
        modalities=tuple(modalities),
        value_function=value,
        values=values,
        shapley=shapley_values(values),
        low=low,
        high=high,
        level=level,
        interactions=interaction_indices(values),
        residual=efficiency_residual(values),
        mpjpe_mm=statistics.mpjpe_mm(),
        spread_mm=1000 * statistics.prediction_spread(),
        num_samples=int(statistics.count.sum()),
        num_clusters=len(statistics.clusters),
    )
