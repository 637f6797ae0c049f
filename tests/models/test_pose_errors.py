"""Pose errors against an independent reference and against MM-Fi's public evaluation."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from equipose.models.pose_errors import (
    joint_errors,
    mpjpe,
    pa_mpjpe,
    pck,
    procrustes_align,
    root_aligned,
    root_mpjpe,
    root_pck,
)

Array = NDArray[np.float64]


def poses(count: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Targets, and predictions that are noisy, rotated, scaled and (every third) mirrored copies."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(count, 17, 3)) * 0.4 + [0, 0, 3]
    rotated = Rotation.random(count, random_state=seed).as_matrix()
    prediction = 1.3 * target @ rotated + rng.normal(size=(count, 17, 3)) * 0.1
    prediction[::3, :, 0] *= -1
    return torch.from_numpy(prediction), torch.from_numpy(target)


def reference_alignment(prediction: Array, target: Array) -> Array:
    """Rotation by scipy's Kabsch, then the scale that is best for it."""
    x, y = prediction - prediction.mean(0), target - target.mean(0)
    rotated = Rotation.align_vectors(y, x)[0].apply(x)
    aligned: Array = rotated * (rotated * y).sum() / (x * x).sum() + target.mean(0)
    return aligned


def test_alignment_equals_the_reference() -> None:
    prediction, target = poses()
    aligned = procrustes_align(prediction, target)
    for i in range(len(target)):
        expected = reference_alignment(prediction[i].numpy(), target[i].numpy())
        np.testing.assert_allclose(aligned[i].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_errors_equal_the_public_evaluation(dtype: torch.dtype, tolerance: float) -> None:
    folder = os.environ.get("MMFI_TOOLBOX")
    if not folder:
        pytest.skip("set MMFI_TOOLBOX to a checkout of the public MM-Fi toolbox")
    path = Path(folder) / "mmfi_lib" / "evaluate.py"
    spec = importlib.util.spec_from_file_location("mmfi_evaluate", path)
    assert spec is not None
    assert spec.loader is not None
    public = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(public)
    prediction, target = (pose.to(dtype) for pose in poses())
    expected = public.calulate_error(prediction.double().numpy(), target.double().numpy())
    assert abs(float(mpjpe(prediction, target).double().mean()) - expected[0]) < tolerance
    assert abs(float(pa_mpjpe(prediction, target).double().mean()) - expected[1]) < tolerance


def test_a_similarity_is_undone_and_a_mirror_image_is_not() -> None:
    _, target = poses()
    turn = torch.from_numpy(Rotation.random(random_state=1).as_matrix())
    moved = 0.2 * target @ turn + torch.tensor([5.0, -3.0, 9.0], dtype=torch.float64)
    assert pa_mpjpe(moved, target).max() < 1e-12
    assert pa_mpjpe(moved * torch.tensor([-1.0, 1, 1], dtype=torch.float64), target).min() > 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e-30, 1e6])
def test_a_collapsed_prediction_is_moved_to_the_mean(dtype: torch.dtype, value: float) -> None:
    target = poses(5)[1].to(dtype)
    collapsed = torch.full_like(target, value)
    expected = joint_errors(target.mean(1, keepdim=True), target).mean(1)
    torch.testing.assert_close(pa_mpjpe(collapsed, target), expected, rtol=1e-5, atol=1e-6)


def test_degenerate_shapes_stay_finite_and_never_get_worse() -> None:
    prediction, target = poses(6)
    flat, line, point = prediction.clone(), prediction.clone(), torch.zeros_like(target)
    flat[..., 2] = 0
    line[..., 1:] = 0
    for guess, truth in [(flat, target), (line, target), (target, point), (point, point), (line, line)]:
        aligned = procrustes_align(guess, truth)
        assert aligned.isfinite().all()
        best_shift = guess - guess.mean(1, keepdim=True) + truth.mean(1, keepdim=True)
        before, after = (best_shift - truth).square().sum((1, 2)), (aligned - truth).square().sum((1, 2))
        assert (after <= before + 1e-12).all()


def test_plain_errors_by_hand() -> None:
    target = torch.zeros(2, 17, 3)
    prediction = target.clone()
    prediction[0, 3] = torch.tensor([0.03, 0.04, 0.0])
    prediction[1] += torch.tensor([0.0, 0.0, 0.2])
    errors = joint_errors(prediction, target)
    assert errors[0, 3] == pytest.approx(0.05)
    assert errors[0].count_nonzero() == 1
    torch.testing.assert_close(mpjpe(prediction, target), torch.tensor([0.05 / 17, 0.2]))
    torch.testing.assert_close(root_mpjpe(prediction, target), torch.tensor([0.05 / 17, 0.0]))
    torch.testing.assert_close(pck(prediction, target, 0.05), torch.tensor([16 / 17, 0.0]))
    torch.testing.assert_close(pck(prediction, target, 0.21), torch.tensor([1.0, 1.0]))
    assert (root_aligned(prediction)[:, 0] == 0).all()


def test_the_root_earns_nothing() -> None:
    """It is at the origin in both poses, however wrong the prediction."""
    target = torch.zeros(2, 17, 3)
    prediction = target.clone()
    prediction[:, 1:] += torch.tensor([0.0, 0.0, 0.2])
    prediction[1, 3] = torch.tensor([0.03, 0.04, 0.0])
    assert root_pck(prediction, target, 0.15).tolist() == [0, 1 / 16]
    assert root_pck(prediction + 5, target, 0.15).tolist() == [0, 1 / 16]
    assert root_pck(prediction, target, 0.3).tolist() == [1, 1]


def test_any_leading_axes_and_types() -> None:
    prediction, target = poses(6)
    stacked = pa_mpjpe(prediction.view(2, 3, 17, 3), target.view(2, 3, 17, 3))
    torch.testing.assert_close(stacked.flatten(), pa_mpjpe(prediction, target))
    assert pa_mpjpe(prediction.float(), target.float()).dtype == torch.float32


def test_the_gradient_is_finite_where_the_error_is_zero() -> None:
    target = torch.randn(2, 17, 3)
    prediction = target.clone().requires_grad_()
    mpjpe(prediction, target).sum().backward()
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()
