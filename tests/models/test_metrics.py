"""Metrics: sums and counts that merge, results in millimetres."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from equipose.models.metrics import (
    MPJPE,
    PAMPJPE,
    PCK,
    PerJointMPJPE,
    PoseMetric,
    RootAlignedMPJPE,
    pose_metrics,
)
from equipose.models.pose_errors import joint_errors, mpjpe, pa_mpjpe, root_mpjpe, root_pck

Values = Callable[[Tensor, Tensor], Tensor]

METRICS: dict[type[PoseMetric], Values] = {
    MPJPE: lambda p, t: 1000 * mpjpe(p, t),
    RootAlignedMPJPE: lambda p, t: 1000 * root_mpjpe(p, t),
    PAMPJPE: lambda p, t: 1000 * pa_mpjpe(p, t),
    PerJointMPJPE: lambda p, t: 1000 * joint_errors(p, t),
    PCK: lambda p, t: 100 * root_pck(p, t, 0.15),
}
every = pytest.mark.parametrize(("metric", "values"), METRICS.items())


def poses(count: int = 50) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    target = torch.randn(count, 17, 3, generator=rng, dtype=torch.float64)
    return target + 0.1 * torch.randn(count, 17, 3, generator=rng, dtype=torch.float64), target


@every
def test_result_is_the_mean_over_poses_whatever_the_batches(metric: type[PoseMetric], values: Values) -> None:
    prediction, target = poses()
    expected = values(prediction, target).mean(0)
    for sizes in ([50], [1, 49], [20, 20, 10]):
        measured = metric()
        for p, t in zip(prediction.split(sizes), target.split(sizes), strict=True):
            measured.update(p, t)
        torch.testing.assert_close(measured.compute(), expected, rtol=1e-12, atol=1e-12)


@every
def test_shards_merge(metric: type[PoseMetric], values: Values) -> None:
    prediction, target = poses()
    left, right = metric(), metric()
    left.update(prediction[:7], target[:7])
    right.update(prediction[7:], target[7:])
    left.merge_state(right)
    torch.testing.assert_close(left.compute(), values(prediction, target).mean(0), rtol=1e-12, atol=1e-12)


@every
def test_masked_poses_do_not_count_even_if_not_finite(metric: type[PoseMetric], values: Values) -> None:
    prediction, target = poses()
    mask = torch.rand(50, generator=torch.Generator().manual_seed(1)) < 0.5
    expected = values(prediction[mask], target[mask]).mean(0)
    prediction[~mask] = torch.nan
    measured = metric()
    measured.update(prediction, target, mask)
    torch.testing.assert_close(measured.compute(), expected)


@every
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_no_pose_gives_nan_not_zero(metric: type[PoseMetric], values: Values) -> None:
    measured = metric()
    measured.update(*poses(3), torch.zeros(3, dtype=torch.bool))
    assert measured.compute().isnan().all()


def test_sums_are_kept_in_float64() -> None:
    measured = MPJPE().float().half()
    prediction = torch.zeros(1000, 17, 3)
    prediction[..., 0] = 0.1
    for _ in range(100):
        measured.update(prediction, torch.zeros_like(prediction))
    assert measured.total.dtype == torch.float64
    assert float(measured.compute()) == pytest.approx(100.0, abs=1e-5)


def test_collection_has_the_documented_names_and_keeps_its_metrics_apart() -> None:
    metrics = pose_metrics(per_joint=True, prefix="val/")
    none = torch.zeros(3, dtype=torch.bool)
    metrics.update(*poses(3), none)
    prediction, target = poses()
    metrics.update(prediction, target, torch.ones(50, dtype=torch.bool))
    result = metrics.compute()
    assert set(result) == {
        "val/mpjpe_mm",
        "val/root_mpjpe_mm",
        "val/pa_mpjpe_mm",
        "val/pck_150mm",
        "val/joint_mpjpe_mm",
    }
    assert float(result["val/mpjpe_mm"]) == pytest.approx(1000 * float(mpjpe(prediction, target).mean()))
    assert float(result["val/pa_mpjpe_mm"]) == pytest.approx(
        1000 * float(pa_mpjpe(prediction, target).mean())
    )
    assert result["val/joint_mpjpe_mm"].shape == (17,)
    assert not math.isclose(float(result["val/mpjpe_mm"]), float(result["val/pa_mpjpe_mm"]))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"preds \(2, 51\)"):
        MPJPE().update(torch.zeros(2, 51), torch.zeros(2, 51))
    with pytest.raises(ValueError, match="threshold=0"):
        PCK(threshold=0)
