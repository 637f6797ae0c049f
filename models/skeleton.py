"""The two skeletons of MM-Fi: 17 H36M-like joints for 3D poses, 17 COCO key points for the RGB camera.

Axes of the sensor frame: x to the image's right, y down, z away from the sensor; metres.
"""

from __future__ import annotations

JOINTS: tuple[str, ...] = (
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "spine",
    "thorax",
    "neck",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
"""Order of the 17 joints of a 3D pose (MM-Fi ground truth; right leg first, as measured on real data)."""

PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
"""`PARENTS[j]` is the joint that joint `j` hangs from; -1 for the root."""

ROOT = 0
"""Index of the pelvis, the joint that root-aligned metrics subtract."""

BONES: tuple[tuple[int, int], ...] = tuple((parent, j) for j, parent in enumerate(PARENTS) if parent >= 0)
"""The 16 (parent, child) pairs."""

SMPL12: tuple[int, ...] = tuple(
    j for j, name in enumerate(JOINTS) if name not in ("spine", "thorax", "neck", "head")
)
"""The twelve joints of the limbs and the pelvis, which the skeleton of SMPL (Loper et al., 2015) has too."""

LSP14: tuple[int, ...] = tuple(j for j, name in enumerate(JOINTS) if name not in ("pelvis", "spine", "neck"))
"""The joints of the protocol "J14" of work on 3DPW: limbs, base of the neck (`thorax`), top of the head.

Regressors of different repositories place the latter two differently by a few centimetres."""

COCO_KEYPOINTS: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""Order of the 17 key points that MM-Fi's RGB files hold."""

COCO_BONES: tuple[tuple[int, int], ...] = (
    *((0, 1), (0, 2), (1, 3), (2, 4)),  # face
    *((5, 7), (7, 9), (6, 8), (8, 10)),  # arms
    *((5, 6), (5, 11), (6, 12), (11, 12)),  # trunk
    *((11, 13), (13, 15), (12, 14), (14, 16)),  # legs
)
"""Pairs of key points of `COCO_KEYPOINTS` that a drawing joins, along the limbs."""

NUM_JOINTS = len(JOINTS)
