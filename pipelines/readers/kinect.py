"""From Kinect V2's 25 joints and axes to the 17 joints and the sensor frame of this project.

Kinect data of MARS: x to the right as seen from the sensor, y depth, z up. Checked on the real
recordings: in "left upper limb extension" the moving wrist is the one named left, and it lies at larger
x, as do the moving radar points (mean x +0.21 and +0.26 m for subjects 1 and 3; -0.26 and -0.15 m in
the movement of the right arm). The feet point towards the sensor, so a person's left is at larger x
exactly when x, y (depth), z (up) are right-handed. MM-Fi's ground truth also has left at larger x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import JOINTS

KINECT_JOINTS: tuple[str, ...] = (
    *("SpineBase", "SpineMid", "Neck", "Head"),
    *("ShoulderLeft", "ElbowLeft", "WristLeft", "HandLeft"),
    *("ShoulderRight", "ElbowRight", "WristRight", "HandRight"),
    *("HipLeft", "KneeLeft", "AnkleLeft", "FootLeft"),
    *("HipRight", "KneeRight", "AnkleRight", "FootRight"),
    *("SpineShoulder", "HandTipLeft", "ThumbLeft", "HandTipRight", "ThumbRight"),
)
"""Order of the 25 joints in a Kinect V2 row."""

SAME_JOINT: dict[str, str] = {
    "pelvis": "SpineBase",
    "right_hip": "HipRight",
    "right_knee": "KneeRight",
    "right_ankle": "AnkleRight",
    "left_hip": "HipLeft",
    "left_knee": "KneeLeft",
    "left_ankle": "AnkleLeft",
    "spine": "SpineMid",
    "thorax": "SpineShoulder",
    "neck": "Neck",
    "head": "Head",
    "left_shoulder": "ShoulderLeft",
    "left_elbow": "ElbowLeft",
    "left_wrist": "WristLeft",
    "right_shoulder": "ShoulderRight",
    "right_elbow": "ElbowRight",
    "right_wrist": "WristRight",
}
"""Joint of this project -> Kinect joint at the same position. `thorax` is the point between the shoulders,
`neck` the base of the skull, `head` the middle of the head, as in MM-Fi. Hands, thumbs and feet have no
counterpart and are left out."""

_COLUMNS = [KINECT_JOINTS.index(SAME_JOINT[joint]) for joint in JOINTS]


def to_sensor_frame(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points [..., 3+] from (x right, y depth, z up) to (x right, y down, z depth); other columns stay."""
    turned = points.copy()
    turned[..., 1], turned[..., 2] = -points[..., 2], points[..., 1]
    return turned


def to_joints(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kinect rows [F, 75] (25 x, then 25 y, then 25 z) as joints [F, 25, 3] in the sensor frame, metres."""
    return to_sensor_frame(rows.reshape(len(rows), 3, len(KINECT_JOINTS)).transpose(0, 2, 1))


def to_pose(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 17 joints [F, 17, 3] of this project among Kinect's [F, 25, 3]."""
    return joints[:, _COLUMNS]
