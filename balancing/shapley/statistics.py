"""Sufficient statistics of every coalition's predictions: small, mergeable in any order, float64.

What a value function needs is kept per cluster of dependent samples (such as one recording), so a clustered
bootstrap can resample clusters without the predictions.

Legend: B samples, C coalitions (2^M), J joints, K = 3J coordinates, G clusters, R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

Pool = Callable[[list[Tensor]], list[Tensor]]
"""One linear map over the first axis of several tensors: each [R, ...] -> [rows of the result, ...]."""


class DivergedError(ValueError):
    """Predictions are no longer finite."""


@dataclass(frozen=True, kw_only=True)
class CoalitionStatistics:
    """Counts, means and central co-moments of predictions and targets; one row per cluster.

    `m2` is a sum of squared deviations from the row's own mean, `comoment` a sum of products of the
    deviations of prediction and target. All float64 on the CPU, metres.
    """

    clusters: Tensor
    """[G] int64, strictly increasing."""
    count: Tensor
    """[G] samples."""
    target_mean: Tensor
    """[G, K]."""
    target_m2: Tensor
    """[G, K]."""
    mean: Tensor
    """[G, C, K] of the predictions."""
    m2: Tensor
    """[G, C, K] of the predictions."""
    comoment: Tensor
    """[G, C, K] of prediction with target."""
    error_sum: Tensor
    """[G, C] sum over samples of the mean joint error, m."""

    @classmethod
    def from_predictions(cls, predictions: Tensor, target: Tensor, groups: Tensor) -> CoalitionStatistics:
        """Statistics of one batch.

        predictions: [C, B, J, 3] m; target: [B, J, 3] m; groups: [B] int, the cluster of each sample.
        Raises ValueError when shapes disagree or a prediction is not finite.
        """
        _check_batch(predictions, target, groups)
        p = predictions.detach().transpose(0, 1).flatten(2).to(torch.float64)
        y = target.detach().flatten(1).double()
        clusters, index = torch.unique(groups.long().to(y.device), return_inverse=True)

        def add(rows: Tensor) -> Tensor:
            return rows.new_zeros(len(clusters), *rows.shape[1:]).index_add_(0, index, rows)

        centre = (y.mean(dim=0), p.mean(dim=0))
        dy, dp = y - centre[0], p - centre[1]
        # One buffer: allocating memory costs more here than the arithmetic.
        work = torch.sub(p, y[:, None])
        along_x, along_y, along_z = torch.mul(work, work, out=work).unflatten(-1, (-1, 3)).unbind(dim=-1)
        error = (along_x + along_y + along_z).sqrt_().mean(dim=-1)
        # The sum is finite only if every term is, and far cheaper than testing every term.
        if not bool(error.sum().isfinite()):
            raise DivergedError(
                "predictions or target hold NaN or infinity; the model has diverged or the data is bad"
            )
        squares, products = add(torch.mul(dp, dp, out=work)), add(torch.mul(dp, dy[:, None], out=work))
        sums = [add(y.new_ones(len(y))), add(dy), add(dp), add(dy**2), squares, products, add(error)]
        return cls._about(centre, clusters, sums)._on_cpu()

    @classmethod
    def merged(cls, parts: Iterable[CoalitionStatistics]) -> CoalitionStatistics:
        """All parts in one, in a single pass (Chan et al. 1979; Pebay 2008).

        Equal for every order and grouping of the parts, to rounding. Raises ValueError for no part, and for
        parts of different shapes.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("parts is empty: nothing to merge; give the statistics of at least one batch")
        shapes = {tuple(part.mean.shape[1:]) for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"parts have different (coalitions, coordinates): {sorted(shapes)}")
        if len(parts) == 1:
            return parts[0]
        columns = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)}
        return cls(**columns)._by_cluster()

    def regrouped(self, groups: Tensor) -> CoalitionStatistics:
        """The same samples in coarser clusters, such as subjects in place of recordings.

        groups: [G] int, the new cluster of each row.
        """
        if groups.shape != self.clusters.shape:
            raise ValueError(f"groups must be [{len(self.clusters)}], got {tuple(groups.shape)}")
        return replace(self, clusters=groups)._by_cluster()

    def total(self, weights: Tensor | None = None) -> CoalitionStatistics:
        """All clusters as one row, or one row per draw of a resampling.

        weights: [draws, G], how often each draw takes each cluster; None takes each once.
        """
        if weights is None:
            if len(self.count) == 1:
                return replace(self, clusters=torch.zeros(1, dtype=torch.int64))
            weights = torch.ones(1, len(self.count), dtype=torch.float64)
        if weights.ndim != 2 or weights.shape[1] != len(self.count):
            raise ValueError(f"weights must be [draws, {len(self.count)}], got {tuple(weights.shape)}")
        w = weights.double()

        def draw(columns: list[Tensor]) -> list[Tensor]:
            return [(w @ rows.reshape(len(rows), -1)).view(-1, *rows.shape[1:]) for rows in columns]

        return self._pooled(draw, torch.arange(len(w)))

    def reduced(self, mean: Callable[[Tensor], Tensor]) -> CoalitionStatistics:
        """The average over ranks of their totals, as one row; ratios equal those of the joined data.

        mean: averages a tensor over ranks, such as `Run.mean`; on one rank it returns the tensor itself, and
        the total is the result. Called twice, however many ranks there are.
        """
        one = self.total()
        n = one.count
        sums = [n, n * one.target_mean, n * one.mean]
        flat = _flat(sums)
        averaged = mean(flat)
        if averaged is flat:
            return one
        count, target_sum, prediction_sum = _unflat(averaged, sums)
        centre = target_sum[0] / count, prediction_sum[0] / count
        return one._pooled(lambda rows: _unflat(mean(_flat(rows)), rows), one.clusters, centre)

    def mpjpe_mm(self) -> Tensor:
        """[C] mean per-joint position error, mm, no alignment."""
        return 1000 * self.error_sum.sum(dim=0) / self.count.sum()

    def prediction_spread(self) -> Tensor:
        """[C] standard deviation of the predictions over samples, averaged over coordinates, m.

        The AWC paper's figures show it shrink towards 0 for weak modalities alone.
        """
        one = self.total()
        return (one.m2 / one.count).clamp_min(0).sqrt().mean(dim=-1)[0]

    def _by_cluster(self) -> CoalitionStatistics:
        """Rows of one cluster pooled into one, clusters sorted."""
        clusters, index = torch.unique(self.clusters, return_inverse=True)

        def add(columns: list[Tensor]) -> list[Tensor]:
            return [
                rows.new_zeros(len(clusters), *rows.shape[1:]).index_add_(0, index, rows) for rows in columns
            ]

        return self._pooled(add, clusters)

    def _pooled(
        self, pool: Pool, clusters: Tensor, centre: tuple[Tensor, Tensor] | None = None
    ) -> CoalitionStatistics:
        """Pool rows by a linear map, with moments taken about a common centre near their mean.

        Central moments are not additive; moments about one common point are. A centre near the data keeps
        the final subtraction accurate.
        """
        y0, p0 = centre or (self.target_mean.mean(dim=0), self.mean.mean(dim=0))
        dy, dp = self.target_mean - y0, self.mean - p0
        n, ny, np_ = self.count, self.count[:, None], self.count[:, None, None]
        columns = [
            n,
            ny * dy,
            np_ * dp,
            self.target_m2 + ny * dy**2,
            self.m2 + np_ * dp**2,
            self.comoment + np_ * dp * dy[:, None],
            self.error_sum,
        ]
        return self._about((y0, p0), clusters, pool(columns))

    @classmethod
    def _about(
        cls, centre: tuple[Tensor, Tensor], clusters: Tensor, sums: list[Tensor]
    ) -> CoalitionStatistics:
        """Means and central moments from moments about a centre (of target, of prediction)."""
        count, sy, sp, syy, spp, spy, error_sum = sums
        shift_y, shift_p = sy / count[:, None], sp / count[:, None, None]
        return cls(
            clusters=clusters,
            count=count,
            target_mean=centre[0] + shift_y,
            target_m2=(syy - sy * shift_y).clamp_min(0),
            mean=centre[1] + shift_p,
            m2=(spp - sp * shift_p).clamp_min(0),
            comoment=spy - sp * shift_y[:, None],
            error_sum=error_sum,
        )

    def _on_cpu(self) -> CoalitionStatistics:
        return replace(self, **{f.name: getattr(self, f.name).cpu() for f in fields(self)})


def _check_batch(predictions: Tensor, target: Tensor, groups: Tensor) -> None:
    """Raise ValueError unless predictions [C, B, J, 3], target [B, J, 3] and groups [B] fit together."""
    if predictions.ndim != 4 or predictions.shape[1:] != target.shape or groups.shape != target.shape[:1]:
        raise ValueError(
            "expected predictions [C, B, J, 3], target [B, J, 3] and groups [B], got "
            f"{tuple(predictions.shape)}, {tuple(target.shape)} and {tuple(groups.shape)}"
        )
    if not len(target):
        raise ValueError("target holds no sample; skip empty batches")


def _flat(columns: list[Tensor]) -> Tensor:
    """All values in one row; inverse of `_unflat`."""
    return torch.cat([rows.flatten() for rows in columns])


def _unflat(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """The row cut into tensors of these shapes."""
    parts = flat.split([rows.numel() for rows in like])
    return [part.view_as(rows) for part, rows in zip(parts, like, strict=True)]
