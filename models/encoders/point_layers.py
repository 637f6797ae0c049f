"""The layers of the Point Transformer, for masked point sets.

Zhao et al., "Point Transformer" (ICCV 2021): vector attention (eq. 3) with a learned position encoding
(eq. 4) among the K nearest neighbours, and transition down (section 3.4). Shapes as in `points.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.compute.recomputing import Recomputing
from equipose.models.encoders.base import Norm
from equipose.models.encoders.points import farthest_points, gather, gather_mask, nearest

FLOAT_BYTES = 4
"""Of a number of float32, in which statistics are taken at least."""


def without_waiting(values: Tensor) -> bool:
    """Whether padding is computed and left out of the statistics, rather than cut away.

    Cutting it away needs to know how much there is: the processor waits for the device, and a compiler has to
    stop. On a CPU nothing waits, and padding would only cost time.
    """
    return values.is_cuda or torch.compiler.is_compiling()


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of rows [R, C] for any R: below two rows it uses the running statistics."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalised rows [R, C]."""
        if self.training and len(rows) < 2:
            return F.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(rows)

    def masked(self, rows: Tensor, real: Tensor) -> Tensor:
        """Rows [R, C] normalised by the statistics of those that are real [R] in training mode.

        What `forward` gives for the real rows alone, up to rounding, without asking the device how many
        there are; other rows must be finite and get any value.
        """
        values = rows.float() if rows.element_size() < FLOAT_BYTES else rows
        kept = real[:, None].to(values.dtype)
        count = kept.sum()
        mean = (values * kept).sum(0) / count.clamp(min=1)
        variance = ((values - mean).square() * kept).sum(0) / count.clamp(min=1)
        enough = count >= 2
        self._track(mean.detach(), (variance * count / (count - 1).clamp(min=1)).detach(), enough)
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, variance = mean.where(enough, self.running_mean), variance.where(enough, self.running_var)
        scaled = (values - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias
        return scaled.to(rows.dtype)

    def _track(self, mean: Tensor, variance: Tensor, enough: Tensor) -> None:
        """Move the running statistics [C] towards these, where there are enough rows for them."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(enough)
        share: Tensor = enough.to(mean.dtype)
        if self.momentum is None:
            share = share / self.num_batches_tracked.clamp(min=1)
        else:
            share = share * self.momentum
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            assert running is not None
            running.add_((found - running) * share)


class PointMLP(nn.Module):
    """Twice linear, normalisation and ReLU, on real points only, so padding changes no statistics."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        kind = RowBatchNorm if norm == "batch" else nn.LayerNorm
        self.rows = nn.Sequential(
            nn.Linear(inputs, outputs),
            kind(outputs),
            nn.ReLU(),
            nn.Linear(outputs, outputs),
            kind(outputs),
            nn.ReLU(),
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """[..., C] and mask [...] to [..., C'], at least zero, and zero where padded."""
        if not self.training:
            # Statistics do not change here, and dense rows keep the same number of rows per sample.
            dense: Tensor = self.rows(values.flatten(0, -2)).view(*mask.shape, -1)
            return dense.masked_fill(~mask[..., None], 0)
        if without_waiting(values):
            rows = values.flatten(0, -2)
            for layer in self.rows:
                rows = layer.masked(rows, mask.flatten()) if isinstance(layer, RowBatchNorm) else layer(rows)
            return rows.view(*mask.shape, -1).masked_fill(~mask[..., None], 0)
        real = mask.flatten().nonzero().squeeze(1)
        rows = self.rows(values.flatten(0, -2).index_select(0, real))
        return rows.new_zeros(mask.numel(), rows.shape[-1]).index_copy(0, real, rows).view(*mask.shape, -1)


class VectorAttention(Recomputing):
    """Each point attends to its K nearest neighbours, with one weight per channel.

    y = x + W softmax(gamma(q - k + delta) / sqrt(d)) (v + delta), delta from the difference of positions.
    """

    def __init__(self, channels: int, width: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours, self.scale = neighbours, width**-0.5
        self.enter, self.leave = nn.Linear(channels, width), nn.Linear(width, channels)
        self.delta = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width))
        self.gamma = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, xyz: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """xyz [B, N, 3] m, values [B, N, C], mask [B, N] to [B, N, C]."""
        numbers = xyz.shape[1] * min(self.neighbours, xyz.shape[1]) * self.query.out_features
        return self.in_slices(self._attend, numbers, xyz, values, mask)

    def _attend(self, xyz: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        index = nearest(xyz, xyz, mask, self.neighbours)
        position = self.delta(xyz[:, :, None] - gather(xyz, index))
        x = self.enter(values)
        key, value = gather(torch.cat([self.key(x), self.value(x)], -1), index).chunk(2, -1)
        logits = self.gamma(self.query(x)[:, :, None] - key + position) * self.scale
        padded = ~gather_mask(mask, index)[..., None]
        # The lowest finite number, unlike -inf, keeps the rows of padded points finite.
        weights = logits.masked_fill(padded, torch.finfo(logits.dtype).min).softmax(2)
        return values + self.leave((weights * (value + position)).sum(2))


class TransitionDown(nn.Module):
    """Fewer points, more channels: a farthest point sample, then the maximum over each neighbourhood."""

    def __init__(self, count: int, inputs: int, outputs: int, neighbours: int, norm: Norm) -> None:
        super().__init__()
        self.count, self.neighbours = count, neighbours
        self.mlp = PointMLP(inputs + 3, outputs, norm)

    def forward(self, xyz: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(xyz [B, N, 3], values [B, N, C], mask [B, N]) to the same of S = min(count, N) points."""
        chosen = farthest_points(xyz, mask, self.count)
        centres = gather(xyz, chosen)
        real = torch.arange(chosen.shape[1], device=mask.device) < mask.sum(1, keepdim=True)
        index = nearest(centres, xyz, mask, self.neighbours)
        inside = gather_mask(mask, index) & real[..., None]
        local = torch.cat([gather(xyz, index) - centres[:, :, None], gather(values, index)], -1)
        # Padding is zero and no value is negative, so padding never wins the maximum.
        return centres, self.mlp(local, inside).amax(2), real


class TransitionKeep(nn.Module):
    """More channels at the same points, for radar, whose points are too few to drop any."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.mlp = PointMLP(inputs + 3, outputs, norm)

    def forward(self, xyz: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(xyz [B, N, 3], values [B, N, C], mask [B, N]) to the same with C' channels."""
        return xyz, self.mlp(torch.cat([xyz, values], -1), mask), mask
