"""Channel a: what an encoder says of a frame, given the pose and the recording (our design).

A reading that does not show what happened has a feature that the pose does not explain, whether or not the
fusion listens to that sensor. Feature f of a row is predicted from the leading principal components u of the
pose, with an offset per recording, and the residual is measured in its own spread:

    r = f - A u - c_recording,   d^2 = r' S^-1 r.

The worst rows of every recording are left out of the next fit, so that they do not explain themselves.
Everything comes from sums over rows, which are reduced over ranks before they are used.

Legend: N rows of all ranks, n rows of this one, D feature width, K components, R recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equipose.balancing.continual.noise.shared_rows import SharedRows

COMPONENTS = 20
"""Most principal components of the pose."""
RIDGE = 1e-2
"""Of the regression and of the residuals' covariance, as a share of their mean variance."""
NEGLIGIBLE = 1e-9
"""Components of a smaller share of the largest variance are rounding errors."""
FLOOR = 1e-12
"""Smallest squared distance, so that its logarithm is finite."""


@dataclass(frozen=True, kw_only=True)
class Trimming:
    """How often a fit is repeated without its worst rows."""

    refits: int = 3
    share: float = 0.2
    """Of the rows of a recording (without offsets: of all), left out of the next fit."""
    offsets: bool = True
    """Whether each recording has an offset of its own; one contaminated throughout then looks clean."""


TAIL = Trimming()
"""For contamination of a few readings."""
BULK = Trimming(share=0.5, offsets=False)
"""For contamination of up to half of a sensor, whole recordings included."""


@dataclass(frozen=True, kw_only=True)
class PoseAxes:
    """The leading principal components of some poses."""

    mean: Tensor
    """[51] m."""
    axes: Tensor
    """[51, K]."""
    scale: Tensor
    """[K] m; standard deviations."""

    def of(self, poses: Tensor) -> Tensor:
        """[n, K] components of poses [n, 51] float64, m."""
        return (poses - self.mean) @ self.axes / self.scale


def pose_axes(poses: Tensor, shared: SharedRows) -> PoseAxes:
    """The axes along which poses [n, 51] float64, m, have components of variance 1 over all rows."""
    moments = _augmented(poses)
    total = shared.total(moments.T @ moments)
    mean = total[-1, :-1] / total[-1, -1]
    covariance = total[:-1, :-1] / total[-1, -1] - mean[:, None] * mean
    variances, axes = torch.linalg.eigh(covariance)
    kept = variances.flip(0)[:COMPONENTS] > NEGLIGIBLE * variances[-1].clamp_min(FLOOR)
    scale = variances.flip(0)[:COMPONENTS][kept].sqrt()
    return PoseAxes(mean=mean, axes=axes.flip(1)[:, :COMPONENTS][:, kept], scale=scale)


def pose_components(poses: Tensor, shared: SharedRows) -> Tensor:
    """[n, K] components of poses [n, 51] float64, m, along their own `pose_axes`."""
    return pose_axes(poses, shared).of(poses)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What the pose explains of one sensor's features, and how far what is left of them spreads."""

    slope: Tensor
    """[K, D]."""
    centre: Tensor
    """[D]."""
    noise: Tensor
    """Variance of one row, summed over D."""
    between: Tensor
    """Variance of the offsets of groups, summed over D."""

    def offsets(self, sums: Tensor, counts: Tensor) -> Tensor:
        """[R, D] of groups with sums [R, K + D] over counts [R] rows; the centre for one without rows."""
        return self.centre + self.own(sums, counts) * _trust(self.between, counts, self.noise)[:, None]

    def own(self, sums: Tensor, counts: Tensor) -> Tensor:
        """[R, D] how far the groups' means lie from what is predicted."""
        means, width = sums / counts[:, None].clamp_min(1), len(self.slope)
        return means[:, width:] - means[:, :width] @ self.slope - self.centre


def log_distances(
    features: Tensor,
    components: Tensor,
    recordings: Tensor,
    present: Tensor,
    shared: SharedRows,
    trimming: Trimming = TAIL,
) -> Tensor:
    """The distances of `fitted_distances` under the fit to the rows themselves."""
    return fitted_distances(features, components, recordings, present, shared, trimming)[0]


def fitted_distances(
    features: Tensor,
    components: Tensor,
    recordings: Tensor,
    present: Tensor,
    shared: SharedRows,
    trimming: Trimming = TAIL,
    fit: tuple[Fit, Tensor] | None = None,
) -> tuple[Tensor, tuple[Fit, Tensor] | None]:
    """[N] float64 log d of every row of one sensor, NaN where it is absent; equal on all ranks; and the fit.

    features: [n, D] float64; components: [n, K] float64; recordings: [N] int64 codes from 0 of all rows;
    present: [N] bool. fit: that of other rows, with the spread [D, D] of their residuals, which only lacks
    the offsets of these rows' recordings; None fits these rows. It is None for a sensor that is never there.
    """
    groups = recordings if trimming.offsets else torch.zeros_like(recordings)
    kept, log_distance = present, torch.full((shared.count,), torch.nan, dtype=torch.float64)
    if not bool(present.any()):
        return log_distance, fit
    used = fit
    for _ in range(trimming.refits + 1):
        own, used = _squared(features, components, groups, kept, shared, fit)
        squared = shared.joined(own)
        log_distance = (squared.clamp_min(FLOOR).log() / 2).masked_fill(~present, torch.nan)
        kept = present & _best(log_distance, groups, 1 - trimming.share)
    return log_distance, used


def _squared(
    features: Tensor,
    components: Tensor,
    groups: Tensor,
    kept: Tensor,
    shared: SharedRows,
    known: tuple[Fit, Tensor] | None,
) -> tuple[Tensor, tuple[Fit, Tensor]]:
    """[n] squared distances under a fit, with an offset for every group [N] from its rows `kept` [N].

    known: the fit and its spread; None makes it from the rows kept.
    """
    weight = kept[shared.at].double()[:, None]
    z = torch.cat([components, features], dim=1)
    sums, products = _moments(z * weight, groups[shared.at], int(groups.max()) + 1, shared)
    counts = torch.bincount(groups, weights=kept.double(), minlength=len(sums))
    fit = known[0] if known else _fitted(sums, products, counts, components.shape[1])
    offset = fit.offsets(sums, counts)
    residuals = features - components @ fit.slope - offset[groups[shared.at]]
    spread = known[1] if known else shared.total((residuals * weight).T @ residuals) / counts.sum()
    return (residuals * _solved(spread, residuals.T).T).sum(dim=1), (fit, spread)


def _fitted(sums: Tensor, products: Tensor, counts: Tensor, width: int) -> Fit:
    """The regression within groups, from sums [R, K + D], products [K + D, K + D] and counts [R]."""
    means = sums / counts[:, None].clamp_min(1)
    within = (products - means.T @ sums) / counts.sum()
    slope = _solved(within[:width, :width], within[:width, width:])
    overall = sums.sum(dim=0) / counts.sum()
    fit = Fit(
        slope=slope,
        centre=overall[width:] - overall[:width] @ slope,
        noise=(within[width:, width:] - slope.T @ within[:width, width:]).trace().clamp_min(0),
        between=torch.zeros((), dtype=sums.dtype),
    )
    between = (fit.own(sums, counts).square().sum(dim=1) * counts).sum() / counts.sum()
    return replace(fit, between=between)


def _moments(z: Tensor, groups: Tensor, count: int, shared: SharedRows) -> tuple[Tensor, Tensor]:
    """Sums per group [R, K + D] and products over all rows [K + D, K + D], over ranks in one reduction."""
    sums = z.new_zeros(count, z.shape[1]).index_add(0, groups, z)
    sums, products = shared.total(torch.cat([sums, z.T @ z])).split([count, z.shape[1]])
    return sums, products


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix^-1 right with a ridge; matrix: [k, k] positive semi-definite."""
    ridge = RIDGE * matrix.diagonal().mean().clamp_min(FLOOR) if len(matrix) else 0.0
    return torch.linalg.solve(matrix + ridge * torch.eye(len(matrix), dtype=matrix.dtype), right)


def _trust(between: Tensor, counts: Tensor, noise: Tensor) -> Tensor:
    """[R] how much of an offset is believed: the mean of few rows is drawn to that of all.

    between: variance of the offsets; counts: [R] rows; noise: variance of one row. It is the best linear
    estimate where offsets and rows are normally distributed.
    """
    return counts / (counts + noise / between.clamp_min(FLOOR)).clamp_min(FLOOR)


def _best(distance: Tensor, groups: Tensor, share: float) -> Tensor:
    """[N] bool: that share of every group's rows, those of the smallest distance; NaN counts as none."""
    order = distance.argsort(stable=True)
    order = order[groups[order].argsort(stable=True)]
    known = torch.bincount(groups, weights=(~distance.isnan()).double())
    size = torch.bincount(groups)
    place = torch.arange(len(groups)) - (size.cumsum(0) - size)[groups[order]]
    best = torch.zeros_like(groups, dtype=torch.bool)
    best[order] = place < (share * known).round().clamp_min(1)[groups[order]]
    return best


def _augmented(values: Tensor) -> Tensor:
    """Values with a column of ones, so that one product holds sums and their count."""
    return torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
