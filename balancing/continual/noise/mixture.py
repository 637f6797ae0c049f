"""A mixture of two normal distributions by expectation maximisation (Dempster, Laird and Rubin, 1977).

Start and number of iterations are fixed and all numbers are float64, so ranks that hold the same points find
the same mixture.

Legend: N points, K dimensions; component 0 lies lower, component 1 higher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ITERATIONS = 100
FLOOR = 1e-3
"""Smallest variance of a component, as a share of the mean variance of all points."""
LEAST_POINTS = 10
"""Per parameter of the larger model; below, one component is all that can be told."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Two components, and how much better than one they describe the points."""

    weights: Tensor
    """[2], sum 1."""
    means: Tensor
    """[2, K]; the sum over K of the second is the larger one."""
    covariances: Tensor
    """[2, K, K]."""
    upper: Tensor
    """[N] posterior probability of component 1."""
    gain: float
    """BIC of one component minus that of two (Schwarz, 1978); above 0 two are better."""

    @property
    def distance(self) -> float:
        """Mahalanobis distance of the means under the covariance within components."""
        within = (self.weights[:, None, None] * self.covariances).sum(dim=0)
        apart = self.means[1] - self.means[0]
        return math.sqrt(max(0.0, float(apart @ torch.linalg.solve(within, apart))))


def two_components(points: Tensor, upper_share: float) -> Mixture | None:
    """The mixture of points [N, K] float64, started with that share of them, the highest, in component 1.

    None where the points are too few or all equal. Height is the sum over K.
    """
    count, width = points.shape
    parameters = width + width * (width + 1) // 2
    spread = points.var(dim=0, correction=0).mean() if count else points.new_zeros(())
    if count < LEAST_POINTS * (2 * parameters + 1) or not bool(spread > 0):
        return None
    floor = FLOOR * spread * torch.eye(width, dtype=points.dtype)
    order = points.sum(dim=1).argsort(stable=True)
    upper = torch.zeros(count, dtype=points.dtype)
    upper[order[count - max(1, round(upper_share * count)) :]] = 1
    one = _likelihood(points, *_fitted(points, torch.ones(count, 1, dtype=points.dtype), floor))
    for _ in range(ITERATIONS):
        shares, means, covariances = _fitted(points, torch.stack([1 - upper, upper], dim=1), floor)
        logs = _likelihood(points, shares, means, covariances)
        upper = (logs[:, 1] - logs.logsumexp(dim=1)).exp()
    gain = 2 * (logs.logsumexp(dim=1).sum() - one.sum()) - (parameters + 1) * math.log(count)
    swap = bool(means[0].sum() > means[1].sum())
    return Mixture(
        weights=shares.flip(0) if swap else shares,
        means=means.flip(0) if swap else means,
        covariances=covariances.flip(0) if swap else covariances,
        upper=1 - upper if swap else upper,
        gain=float(gain),
    )


def _fitted(points: Tensor, members: Tensor, floor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights [C], means [C, K], covariances [C, K, K] of components with members [N, C]."""
    sizes = members.sum(dim=0).clamp_min(1e-9)
    means = members.T @ points / sizes[:, None]
    away = points[:, None] - means
    covariances = torch.einsum("nc,nck,ncl->ckl", members, away, away) / sizes[:, None, None]
    return sizes / len(points), means, covariances + floor


def _likelihood(points: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """[N, C] log of weight times density."""
    away = points[:, None] - means
    squared = (away.unsqueeze(2) @ torch.linalg.inv(covariances) @ away.unsqueeze(3)).flatten(1)
    constant = points.shape[1] * math.log(2 * math.pi) + torch.logdet(covariances)
    return weights.log() - (squared + constant) / 2
