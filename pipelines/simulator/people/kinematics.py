"""From posture vectors and bone lengths to joint positions.

Trunk and arms form a chain of rotations; legs are solved from the positions of the feet, so that standing
feet do not slide. Every bone keeps its length exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import JOINTS, NUM_JOINTS
from equipose.pipelines.simulator.people.keyposes import channel

Array = NDArray[np.float64]
J = {name: index for index, name in enumerate(JOINTS)}
ANKLE_HEIGHT = 0.085
"""Height of the ankle of a standing foot above the floor, metres."""
REACH = 0.999
"""Largest stretch of a leg, as a share of thigh plus shin."""


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Bone lengths and width of stance of one person, metres."""

    hip: float
    thigh: float
    shin: float
    spine: float
    chest: float
    neck: float
    head: float
    shoulder: float
    upper_arm: float
    forearm: float
    stance: float
    """Sideways distance of each standing ankle from the middle."""

    @property
    def leg(self) -> float:
        """Thigh plus shin."""
        return self.thigh + self.shin


def unit(vectors: Array) -> Array:
    """Vectors [..., 3] scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def turn(degrees: Array) -> Array:
    """Rotations [F, 3, 3] about the vertical that turn a person facing the sensor to their left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    zero, one = np.zeros_like(c), np.ones_like(c)
    return np.stack([c, zero, -s, zero, one, zero, s, zero, c], axis=-1).reshape(*c.shape, 3, 3)


def lean(degrees: Array) -> Array:
    """Rotations [F, 3, 3] that lean a person facing the sensor forward."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    zero, one = np.zeros_like(c), np.ones_like(c)
    return np.stack([one, zero, zero, zero, c, -s, zero, s, c], axis=-1).reshape(*c.shape, 3, 3)


def bend(degrees: Array) -> Array:
    """Rotations [F, 3, 3] that bend a person facing the sensor to their left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    zero, one = np.zeros_like(c), np.ones_like(c)
    return np.stack([c, -s, zero, s, c, zero, zero, zero, one], axis=-1).reshape(*c.shape, 3, 3)


def to_sensor(rotation: Array, directions: Array, side: float) -> Array:
    """(out, up, forward) triples [F, 3] of one side (+1 left, -1 right) as unit vectors in sensor axes."""
    local = unit(directions) * np.array([side, -1.0, -1.0])
    return np.einsum("...ij,...j->...i", rotation, local)


def bend_knee(hip: Array, ankle: Array, pole: Array, thigh: float, shin: float) -> tuple[Array, Array]:
    """Knee and reachable ankle [F, 3] of legs from `hip` toward `ankle`, knees pushed toward `pole`."""
    line = ankle - hip
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    along = line / distance
    reach = np.clip(distance, abs(thigh - shin) + 0.05, REACH * (thigh + shin))
    foot = (thigh**2 - shin**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(thigh**2 - foot**2, 0.0))
    across = unit(pole - np.sum(pole * along, axis=-1, keepdims=True) * along)
    return hip + foot * along + height * across, hip + reach * along


def _trunk(postures: Array, size: Skeleton, facing: Array) -> tuple[Array, Array, Array, dict[str, Array]]:
    """Rotations of pelvis, thorax and head, and trunk joints relative to the pelvis."""
    pelvis = facing @ turn(channel(postures, "hips"))
    twist, forward, side = (channel(postures, name) for name in ("twist", "lean", "bend"))
    lower = pelvis @ bend(0.6 * side) @ lean(0.75 * forward) @ turn(0.35 * twist)
    thorax = pelvis @ bend(side) @ lean(forward) @ turn(twist)
    head = thorax @ lean(channel(postures, "nod")) @ turn(-0.3 * twist)
    at: dict[str, Array] = {"spine": to_sensor(lower, np.array([0.0, 1.0, 0.07]), 1.0) * size.spine}
    at["thorax"] = at["spine"] + to_sensor(thorax, np.array([0.0, 1.0, 0.07]), 1.0) * size.chest
    at["neck"] = at["thorax"] + to_sensor(head, np.array([0.0, 0.87, 0.49]), 1.0) * size.neck
    at["head"] = at["neck"] + to_sensor(head, np.array([0.0, 0.87, -0.5]), 1.0) * size.head
    return pelvis, thorax, head, at


def pose_skeleton(postures: Array, size: Skeleton, facing: Array, position: Array, floor: float) -> Array:
    """Joint positions [F, 17, 3], metres in the sensor frame, of posture vectors [F, W].

    `facing` [F, 3, 3] turns a person who faces the sensor; `position` [F, 2] is the (x, z) of the
    stance; `floor` is the y of the floor.
    """
    frames = len(postures)
    pelvis, thorax, _, at = _trunk(postures, size, facing)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = at["thorax"] + to_sensor(thorax, np.array([1.0, -0.32, 0.03]), sign) * size.shoulder
        elbow = shoulder + to_sensor(thorax, channel(postures, f"{side}_upper"), sign) * size.upper_arm
        wrist = elbow + to_sensor(thorax, channel(postures, f"{side}_fore"), sign) * size.forearm
        at |= {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist}
        at[f"{side}_hip"] = to_sensor(pelvis, np.array([1.0, 0.0, 0.0]), sign) * size.hip
    at["pelvis"] = np.zeros((frames, 3))
    origin, ankles = _stand(postures, size, facing, position, floor, at)
    joints = np.empty((frames, NUM_JOINTS, 3))
    for name, offset in at.items():
        joints[:, J[name]] = origin + offset
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pole = to_sensor(pelvis, np.array([0.18, 0.0, 1.0]), sign)
        knee, ankle = bend_knee(joints[:, J[f"{side}_hip"]], ankles[side], pole, size.thigh, size.shin)
        joints[:, J[f"{side}_knee"]], joints[:, J[f"{side}_ankle"]] = knee, ankle
    return joints


def _stand(
    postures: Array, size: Skeleton, facing: Array, position: Array, floor: float, at: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Pelvis position [F, 3] and target ankle positions: the pelvis is as high as both legs allow."""
    base = np.stack([position[:, 0], np.full(len(postures), floor), position[:, 1]], axis=-1)
    ankles = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        offset = channel(postures, f"{side}_foot") * size.leg + [size.stance, ANKLE_HEIGHT, 0.0]
        ankles[side] = base + np.einsum("fij,fj->fi", facing, offset * [sign, -1.0, -1.0])
    shift = channel(postures, "shift") * size.leg * [1.0, -1.0, -1.0]
    wanted = base + np.einsum("fij,fj->fi", facing, shift) - [0.0, ANKLE_HEIGHT + 0.997 * size.leg, 0.0]
    for side, ankle in ankles.items():
        aside = np.linalg.norm((ankle - wanted - at[f"{side}_hip"])[:, [0, 2]], axis=-1)
        drop = np.sqrt(np.maximum((0.998 * size.leg) ** 2 - aside**2, (0.45 * size.leg) ** 2))
        wanted[:, 1] = np.maximum(wanted[:, 1], ankle[:, 1] - drop)
    return wanted, ankles
