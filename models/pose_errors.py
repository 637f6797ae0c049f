"""Errors between a predicted and a true pose, as pure functions.

Poses are [..., J, 3] in metres, so are the errors; any floating-point type. Definitions follow MM-Fi's
public evaluation: absolute MPJPE without root alignment, and PA-MPJPE after a per-frame similarity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.models.skeleton import ROOT


def joint_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Euclidean distance of every joint: [..., J], metres. The gradient is zero at an error of zero."""
    return torch.linalg.vector_norm(prediction - target, dim=-1)


def mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint position error of every pose: [...], metres (AWC paper, L_MPJPE).

    Examples:
        >>> mpjpe(torch.zeros(2, 17, 3), torch.tensor([0.3, 0.0, 0.4]))
        tensor([0.5000, 0.5000])
    """
    return joint_errors(prediction, target).mean(-1)


def root_aligned(pose: Tensor) -> Tensor:
    """The pose relative to its pelvis: [..., J, 3], metres."""
    return pose - pose[..., ROOT : ROOT + 1, :]


def root_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """MPJPE with both pelvises at the origin: [...], metres."""
    return mpjpe(root_aligned(prediction), root_aligned(target))


def n_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """MPJPE with both pelvises at the origin and the prediction scaled to fit best: [...], metres.

    Rhodin et al., "Unsupervised geometry-aware representation for 3D human pose estimation" (ECCV 2018).

    Examples:
        >>> pose = torch.arange(51.0).view(17, 3) / 100
        >>> bool(n_mpjpe(3 * pose, pose) < 1e-6)
        True
    """
    mine, truth = root_aligned(prediction), root_aligned(target)
    size = mine.square().sum((-2, -1), keepdim=True)
    scale = (mine * truth).sum((-2, -1), keepdim=True) / size.masked_fill(size == 0, 1)
    return mpjpe(scale * mine, truth)


def procrustes_align(prediction: Tensor, target: Tensor) -> Tensor:
    """The prediction moved, turned and scaled (never mirrored) onto the target: [..., J, 3], metres.

    Least-squares similarity per frame (Umeyama, PAMI 1991, eqs. 39-43), computed in float64. A prediction
    whose joints all coincide has no scale; it is moved to the target's mean, the best similarity possible.
    """
    wide_target = target.double()
    centre = wide_target.mean(-2, keepdim=True)
    goal = wide_target - centre
    source = prediction.double() - prediction.double().mean(-2, keepdim=True)
    u, singular, vh = torch.linalg.svd(source.transpose(-1, -2) @ goal)
    mirrored = torch.linalg.det(u @ vh) < 0
    sign = torch.ones_like(singular)
    sign[..., -1] = torch.where(mirrored, -1.0, 1.0)
    size = source.square().sum((-2, -1))
    collapsed = size <= torch.finfo(prediction.dtype).eps ** 2 * prediction.double().square().sum((-2, -1))
    scale = (singular * sign).sum(-1) / size.masked_fill(collapsed, 1)
    scale = scale.masked_fill(collapsed, 0)[..., None, None]
    rotation = (u * sign[..., None, :]) @ vh
    return (scale * source @ rotation + centre).to(target.dtype)


def pa_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """MPJPE after `procrustes_align`: [...], metres.

    Examples:
        Moving and scaling a pose makes no difference.

        >>> pose = torch.arange(51.0).view(17, 3) ** 2 / 1000
        >>> bool(pa_mpjpe(2 * pose + 1, pose) < 1e-5)
        True
    """
    return mpjpe(procrustes_align(prediction, target), target)


def pck(prediction: Tensor, target: Tensor, threshold: float) -> Tensor:
    """Share of joints closer than `threshold` metres: [...], in [0, 1]."""
    return (joint_errors(prediction, target) < threshold).to(prediction.dtype).mean(-1)


def root_pck(prediction: Tensor, target: Tensor, threshold: float) -> Tensor:
    """`pck` with both pelvises at the origin, of all joints but the pelvis: [...], in [0, 1].

    The pelvis is right by alignment; counted, it would give every pose 1/17 for nothing.

    Examples:
        >>> root_pck(torch.zeros(17, 3), torch.arange(51.0).view(17, 3), 0.15)
        tensor(0.)
    """
    others = torch.arange(prediction.shape[-2], device=prediction.device) != ROOT
    return pck(root_aligned(prediction)[..., others, :], root_aligned(target)[..., others, :], threshold)
