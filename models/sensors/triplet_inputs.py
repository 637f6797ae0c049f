"""From the signals of a triplet to what encoders, decoders and metrics take.

Legend: B batch, J joints (17).
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.models.encoders.pose.boxes import box_token, from_box, to_box
from equipose.models.skeleton import JOINTS, ROOT

SIDES: tuple[int, ...] = tuple(
    JOINTS.index(name.replace("left", "right") if name.startswith("left") else name.replace("right", "left"))
    for name in JOINTS
)
"""`SIDES[j]` is the joint on the other side of the body; itself on the midline."""


def keypoints_in_box(keypoints: Tensor, box: Tensor) -> Tensor:
    """[B, J, 2]: key points [B, J, 2 or 3] px relative to their box [B, 3]: -1 to 1 inside its side."""
    return to_box(keypoints[..., :2], box[:, :2], box[:, 2])


def keypoints_in_image(keypoints: Tensor, box: Tensor) -> Tensor:
    """[B, J, 2] px: the inverse of `keypoints_in_box`, for errors in pixels."""
    return from_box(keypoints, box[:, :2], box[:, 2])


def context_of(box: Tensor, intrinsics: Tensor, known: Tensor | None = None) -> Tensor:
    """[B, 3]: the box token of boxes [B, 3] seen by cameras [B, 6], as in the sensor's definition.

    known: bool [B], False where the camera is not: its focal length is then taken for the diagonal of its
    image, and the image for a square in whose middle the box lies, so that the token stays finite.
    """
    centre, side, size, focal = box[:, :2], box[:, 2], intrinsics[:, :2], intrinsics[:, 2:4].mean(1)
    if known is not None:
        unsure = ~known
        size = torch.where(unsure[:, None], 2 * centre.clamp(min=1), size)
        focal = torch.where(unsure, size.norm(dim=-1), focal)
    return box_token(centre, side, size, focal)


def root_relative(pose: Tensor) -> Tensor:
    """Poses [B, J, 3] m, camera axes, relative to the pelvis."""
    return pose - pose[:, ROOT : ROOT + 1]


def mirror_axis(box: Tensor, intrinsics: Tensor) -> Tensor:
    """[B] px: where the mirror of each row stands: in the middle of its camera's image, for boxes [B, 3].

    The pose is mirrored at the camera's vertical plane, so its projection is mirrored together with the whole
    image, and box and principal point move to the other side. Where the camera is unknown (intrinsics [B, 6]
    of 0), nothing says where that is; the box then stays, and only what it shows is turned.
    """
    known = intrinsics[:, 0] > 0
    return torch.where(known, intrinsics[:, 0] / 2, box[:, 0])


def mirrored_at(axis: Tensor, pixels: Tensor) -> Tensor:
    """Pixels [B, ..., 2 or more], x first, such as a box [B, 3], seen in a mirror at x = `axis` [B]."""
    turned = pixels.clone()
    turned[..., 0] = 2 * axis.view(-1, *[1] * (pixels.dim() - 2)) - pixels[..., 0]
    return turned


def mirrored_joints(axis: Tensor, keypoints: Tensor) -> Tensor:
    """The same of key points [B, J, 2 or 3]: left and right joints change places too."""
    return mirrored_at(axis, keypoints[:, SIDES])


def mirrored_camera(intrinsics: Tensor) -> Tensor:
    """Cameras [B, 6] whose image is mirrored; unknown ones, of 0, stay so."""
    turned = intrinsics.clone()
    turned[:, 4] = intrinsics[:, 0] - intrinsics[:, 4]
    return turned


def mirrored_pose(pose: Tensor) -> Tensor:
    """Poses [B, J, 3] m, camera axes, seen in a mirror; left and right joints change places."""
    return pose[:, SIDES] * torch.tensor([-1.0, 1.0, 1.0], dtype=pose.dtype)
