"""Pose metrics as sufficient statistics: sums and counts in float64, divided once at the end.

Every metric takes poses [B, 17, 3] in metres and an optional mask [B] of the poses that count; results are in
millimetres (or per cent). States are summed over batches, ranks and shards.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from equipose.models.pose_errors import joint_errors, mpjpe, pa_mpjpe, root_mpjpe, root_pck
from equipose.models.skeleton import NUM_JOINTS

MILLIMETRES = 1000.0
PER_CENT = 100.0


class PoseMetric(Metric):
    """The mean over poses of `per_pose`, which subclasses define."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = False
    scale = MILLIMETRES
    """Factor from the unit of `per_pose` to that of the result."""
    shape: tuple[int, ...] = ()
    """Shape of the result."""
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros(self.shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """The value of every pose: [B, *shape]."""
        raise NotImplementedError

    def update(self, preds: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add a batch; ValueError if the two shapes differ."""
        if preds.shape != target.shape or preds.shape[1:] != (NUM_JOINTS, 3):
            raise ValueError(
                f"preds {tuple(preds.shape)}, target {tuple(target.shape)}: give both as [B, {NUM_JOINTS}, 3]"
            )
        if mask is not None:
            preds, target = preds[mask], target[mask]
        self.total += self.per_pose(preds, target).double().sum(0)
        self.count += len(preds)

    def compute(self) -> Tensor:
        """The mean, in the unit of the result; NaN before any pose."""
        return self.total / self.count * self.scale


class MPJPE(PoseMetric):
    """Mean per-joint position error, absolute as in MM-Fi's public evaluation, mm."""

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """See `equipose.models.pose_errors.mpjpe`."""
        return mpjpe(preds, target)


class RootAlignedMPJPE(PoseMetric):
    """MPJPE with both pelvises at the origin, mm."""

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """See `equipose.models.pose_errors.root_mpjpe`."""
        return root_mpjpe(preds, target)


class PAMPJPE(PoseMetric):
    """MPJPE after a per-frame similarity transform, mm."""

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """See `equipose.models.pose_errors.pa_mpjpe`."""
        return pa_mpjpe(preds, target)


class PerJointMPJPE(PoseMetric):
    """Absolute error of every joint: [17], mm, in the order of `equipose.models.skeleton.JOINTS`."""

    shape = (NUM_JOINTS,)

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """See `equipose.models.pose_errors.joint_errors`."""
        return joint_errors(preds, target)


class PCK(PoseMetric):
    """Share of joints within `threshold` metres after root alignment, per cent (3DPCK); without the root."""

    higher_is_better = True
    scale = PER_CENT

    def __init__(self, threshold: float = 0.15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if threshold <= 0:
            raise ValueError(f"threshold={threshold}: give a positive distance in metres, such as 0.15")
        self.threshold = threshold

    def per_pose(self, preds: Tensor, target: Tensor) -> Tensor:
        """See `equipose.models.pose_errors.root_pck`."""
        return root_pck(preds, target, self.threshold)


def pose_metrics(*, per_joint: bool = False, prefix: str | None = None) -> MetricCollection:
    """`mpjpe_mm`, `root_mpjpe_mm`, `pa_mpjpe_mm`, `pck_150mm` (and `joint_mpjpe_mm` [17])."""
    metrics: dict[str, Metric | MetricCollection] = {
        "mpjpe_mm": MPJPE(),
        "root_mpjpe_mm": RootAlignedMPJPE(),
        "pa_mpjpe_mm": PAMPJPE(),
        "pck_150mm": PCK(0.15),
    }
    if per_joint:
        metrics["joint_mpjpe_mm"] = PerJointMPJPE()
    # Compute groups would merge metrics whose states happen to be equal after the first batch.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
