"""What a triplet holds, and what encoders make of it."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from equipose.models.encoders.pose import PoseTransformer
from equipose.models.sensors import SENSORS, Image, sensor_of
from equipose.models.sensors.triplet_inputs import (
    SIDES,
    context_of,
    keypoints_in_box,
    keypoints_in_image,
    mirror_axis,
    mirrored_at,
    mirrored_camera,
    mirrored_joints,
    mirrored_pose,
    root_relative,
)
from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.models.skeleton import JOINTS

BOX = torch.tensor([[500.0, 480.0, 600.0], [300.0, 200.0, 100.0]])
INTRINSICS = torch.tensor([[1000.0, 1002.0, 1145.0, 1143.0, 512.0, 515.0]] * 2)


def test_every_part_of_a_triplet_is_registered() -> None:
    assert set(TRIPLET_NAMES) <= set(SENSORS)
    layout = sensor_of("image").layout
    assert isinstance(layout, Image)
    assert (layout.width, layout.height, layout.channels) == (192, 256, 3)


def test_key_points_in_the_box_and_back() -> None:
    keypoints = torch.rand(2, 17, 3) * 1000
    inside = keypoints_in_box(keypoints, BOX)
    assert torch.allclose(keypoints_in_image(inside, BOX), keypoints[..., :2], atol=1e-3)
    corner = BOX[:, None, :2] + BOX[:, None, 2:] / 2
    assert torch.allclose(keypoints_in_box(corner, BOX), torch.ones(2, 1, 2))


def test_the_context_is_a_box_token_and_stays_finite_without_a_camera() -> None:
    token = context_of(BOX, INTRINSICS)
    focal = 1144.0
    expected = [(500 - 500) * 2.8 / focal, (480 - 501) * 2.8 / focal, (600 - 0.24 * focal) / (0.06 * focal)]
    assert token[0].tolist() == pytest.approx(expected, rel=1e-5)
    known = torch.tensor([True, False])
    blind = context_of(BOX, torch.where(known[:, None], INTRINSICS, 0.0), known)
    assert torch.equal(blind[0], token[0])
    assert blind[1].isfinite().all()
    encoder = PoseTransformer.Config(width=16, heads=2, feed=16, layers=1).build(8, "layer")
    assert encoder(keypoints_in_box(torch.rand(2, 17, 3), BOX), context=blind).shape == (2, 8)


def test_poses_relative_to_the_pelvis() -> None:
    pose = torch.randn(4, 17, 3)
    relative = root_relative(pose)
    assert torch.equal(relative[:, 0], torch.zeros(4, 3))
    assert torch.allclose(relative[:, 5] - relative[:, 9], pose[:, 5] - pose[:, 9], atol=1e-6)


def test_a_mirror_exchanges_sides_and_is_its_own_inverse() -> None:
    assert JOINTS[SIDES[JOINTS.index("left_knee")]] == "right_knee"
    assert SIDES[0] == 0
    keypoints, pose = torch.rand(2, 17, 3) * 600, torch.randn(2, 17, 3)
    cameras = INTRINSICS * torch.tensor([[1.0], [0.0]])
    axis = mirror_axis(BOX, cameras)
    assert axis.tolist() == [500.0, 300.0], "the middle of the image; without a camera, that of the box"
    once = mirrored_joints(axis, keypoints)
    assert torch.allclose(once[:, 1, 0], 2 * axis - keypoints[:, 4, 0])
    assert torch.equal(once[:, 1, 1:], keypoints[:, 4, 1:])
    assert torch.equal(mirrored_pose(pose)[:, 1, 0], -pose[:, 4, 0])
    assert mirrored_camera(cameras)[:, 4].tolist() == [488.0, 0.0]
    for turn, was in (
        (partial(mirrored_joints, axis), keypoints),
        (partial(mirrored_at, axis), BOX),
        (mirrored_pose, pose),
        (mirrored_camera, cameras),
    ):
        assert torch.allclose(turn(turn(was)), was, atol=1e-3)
