"""Which joints of other skeletons are the 17 of this package, and what is seen of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import JOINTS, NUM_JOINTS, SMPL12

Array = NDArray[np.float64]

MPI_28: tuple[int, ...] = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
"""`MPI_28[j]` is joint j among the 28 of MPI-INF-3DHP's training files (Mehta et al., 3DV 2017). Its neck is
the throat, Human3.6M's thorax lies some centimetres lower; its head lies between neck and top of the head."""
MPI_17: tuple[int, ...] = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
"""The same among the 17 of its test files and of MMPose's."""

SMPL_24: dict[str, int] = {
    "pelvis": 0, "left_hip": 1, "right_hip": 2, "left_knee": 4, "right_knee": 5, "left_ankle": 7,
    "right_ankle": 8, "left_shoulder": 16, "right_shoulder": 17, "left_elbow": 18, "right_elbow": 19,
    "left_wrist": 20, "right_wrist": 21,
}  # fmt: skip
"""Joint -> its index among the 24 of SMPL (Loper et al., 2015): twelve of the limbs, and the pelvis."""
OPENPOSE_18: dict[str, int] = {
    "thorax": 1, "right_shoulder": 2, "right_elbow": 3, "right_wrist": 4, "left_shoulder": 5,
    "left_elbow": 6, "left_wrist": 7, "right_hip": 8, "right_knee": 9, "right_ankle": 10,
    "left_hip": 11, "left_knee": 12, "left_ankle": 13,
}  # fmt: skip
"""Joint -> its index among OpenPose's 18 key points, whose neck is the middle of the shoulders."""

DPW_TABLE: tuple[int, ...] = (5, 2, 6, 3, 11, 14, 12, 15, 13, 16, 1, 4, 8, 10, 0, 7, 9)
"""Joint i of the 17 of a table of 3DPW is joint `DPW_TABLE[i]` of this package, as ZeDO's code has it (Jiang
et al., WACV 2024)."""


def from_smpl(points: Array) -> Array:
    """[F, 17, D] of SMPL's joints [F, 24, D]; the four that it lacks lie in the pelvis, and say nothing."""
    found = np.repeat(points[:, :1], NUM_JOINTS, axis=1)
    for j in SMPL12:
        found[:, j] = points[:, SMPL_24[JOINTS[j]]]
    return found


def from_openpose(points: Array) -> Array:
    """[F, 17, 3] px, px, confidence of OpenPose's [F, 18, 3]; zeros for the four that it lacks."""
    found = np.zeros((len(points), NUM_JOINTS, 3))
    for name, index in OPENPOSE_18.items():
        found[:, JOINTS.index(name)] = points[:, index]
    found[found[..., 2] <= 0] = 0
    return found


def project(pose: Array, intrinsics: Array) -> Array:
    """[F, J, 2] px of points [F, J, 3] m, camera axes, seen by cameras [F, 6]; NaN behind the camera."""
    depth = np.where(pose[..., 2:] > 0, pose[..., 2:], np.nan)
    return np.asarray(pose[..., :2] / depth * intrinsics[:, None, 2:4] + intrinsics[:, None, 4:])


def fitted_camera(pose: Array, pixels: Array) -> Array | None:
    """[4] focal lengths and principal point, x then y, px, of the pinhole that takes poses [F, J, 3] to
    pixels [F, J, 2], by least squares; None where that finds none.

    Rows with a joint that is not finite are left out.
    """
    sound = np.isfinite(pose).all((1, 2)) & np.isfinite(pixels).all((1, 2))
    points, seen = pose[sound].reshape(-1, 3), pixels[sound].reshape(-1, 2)
    if len(points) < 2 * NUM_JOINTS or np.ptp(points[:, 2]) == 0:
        return None
    found = np.empty(4)
    for axis in (0, 1):
        columns = points[:, [axis, 2]]
        solution, _, rank, _ = np.linalg.lstsq(columns, seen[:, axis] * points[:, 2], rcond=None)
        if rank < 2 or not np.isfinite(solution).all() or solution[0] <= 0:
            return None
        found[[axis, axis + 2]] = solution
    return found
