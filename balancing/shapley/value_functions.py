"""Value functions of a coalition, computed from mergeable statistics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equipose.balancing.shapley.statistics import CoalitionStatistics

CONSTANT = 1e-6
"""A coordinate counts as constant if its standard deviation is at most this share of its size.

Its size is the larger of the root mean square of the target and of the mean prediction. For depth that is
about 3 m, so the limit is 3 micrometres: far above float32 rounding and far below real motion.
"""

ValueFunction = Callable[..., Tensor]
"""(statistics, weights=None) -> [C], or [draws, C] with cluster weights [draws, G]."""


def correlations(statistics: CoalitionStatistics) -> Tensor:
    """[R, C, K] Pearson correlation of prediction and target per row, coalition and coordinate.

    0 where the prediction or the target is constant (see `CONSTANT`), which is 0/0 in the formula.
    """
    count = statistics.count[:, None]
    target_variance = statistics.target_m2 / count
    variance = statistics.m2 / count[..., None]
    size = (target_variance + statistics.target_mean**2)[:, None].maximum(statistics.mean**2)
    moves = (variance > CONSTANT**2 * size) & (target_variance[:, None] > CONSTANT**2 * size)
    scale = (variance * target_variance[:, None]).sqrt()
    rho = statistics.comoment / count[..., None] / torch.where(moves, scale, 1.0)
    return torch.where(moves, rho.clamp(-1, 1), 0.0)


def pearson_profit(statistics: CoalitionStatistics, weights: Tensor | None = None) -> Tensor:
    """Sum over coordinates of the Pearson correlation (AWC paper, eq. of the profit s), in [-K, K].

    Returns [C] float64, or [draws, C] for cluster weights [draws, G]. The empty coalition predicts a
    constant and has value 0, so Shapley values sum to the full model's profit.
    """
    value = correlations(statistics.total(weights)).sum(dim=-1)
    return value[0] if weights is None else value


def negative_mpjpe(statistics: CoalitionStatistics, weights: Tensor | None = None) -> Tensor:
    """Minus the mean per-joint position error, mm, no alignment; unlike Pearson it sees scale and offset.

    Returns [C] float64, or [draws, C] for cluster weights [draws, G].
    """
    total = statistics.total(weights)
    value = -1000 * total.error_sum / total.count[:, None]
    return value[0] if weights is None else value


def negative_mse(statistics: CoalitionStatistics, weights: Tensor | None = None) -> Tensor:
    """Minus the mean squared error of a coordinate, cm^2: the alternative that the AWC paper argues against.

    Returns [C] float64, or [draws, C] for cluster weights [draws, G].
    """
    total = statistics.total(weights)
    deviations = total.m2 + total.target_m2[:, None] - 2 * total.comoment
    offset = (total.mean - total.target_mean[:, None]) ** 2
    value = -1e4 * (deviations / total.count[:, None, None] + offset).mean(dim=-1)
    return value[0] if weights is None else value


VALUE_FUNCTIONS: dict[str, ValueFunction] = {
    "pearson": pearson_profit,
    "negative_mpjpe": negative_mpjpe,
    "negative_mse": negative_mse,
}


def value_function(name: str) -> ValueFunction:
    """The value function of a name; ValueError with the known names otherwise."""
    if name not in VALUE_FUNCTIONS:
        raise ValueError(f"unknown value function {name!r}; known: {sorted(VALUE_FUNCTIONS)}")
    return VALUE_FUNCTIONS[name]
