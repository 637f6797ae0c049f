"""Joints of other skeletons land where they belong, and cameras are found again."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.models.skeleton import JOINTS, SMPL12
from equipose.pipelines.protocols.triplets import MOVING_CAMERA, SMPL12_CAMERA
from equipose.pipelines.readers.triplets.outdoor import joints, three_dpw

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("places", [joints.MPI_28, joints.MPI_17, joints.DPW_TABLE])
def test_maps_name_every_joint_once(places: tuple[int, ...]) -> None:
    assert len(set(places)) == len(JOINTS)


def test_left_and_right_stay_apart() -> None:
    """Of MPI-INF-3DHP's 28 joints, 18 to 22 and 9 to 12 are left, 23 to 27 and 14 to 17 right."""
    for j, name in enumerate(JOINTS):
        side = joints.MPI_28[j]
        left, right = (
            side in range(18, 23) or side in range(9, 13),
            side in range(23, 28) or side in range(14, 18),
        )
        assert (left, right) == (name.startswith("left"), name.startswith("right")), name


def test_smpl_s_joints_are_the_limbs_and_the_pelvis() -> None:
    assert {JOINTS[j] for j in SMPL12} == set(joints.SMPL_24)
    found = joints.from_smpl(np.arange(24.0)[None, :, None] * np.ones(3))
    assert [int(found[0, j, 0]) for j in SMPL12] == [joints.SMPL_24[JOINTS[j]] for j in SMPL12]


def test_the_reader_s_cameras_are_those_of_the_protocols() -> None:
    assert (three_dpw.CAMERA, three_dpw.SMPL12_CAMERA) == (MOVING_CAMERA, SMPL12_CAMERA)


def test_undetected_points_have_no_place() -> None:
    points = np.ones((1, 18, 3))
    points[0, 4, 2] = 0
    found = joints.from_openpose(points)
    assert not found[0, JOINTS.index("right_wrist")].any()
    assert found[0, JOINTS.index("left_wrist")].all()


def test_a_camera_is_fitted_to_what_it_saw() -> None:
    optics = np.array([[1920, 1080, 1400.0, 1410.0, 950.0, 530.0]])
    pose = RNG.normal([0, 0, 4], 0.4, (5, 17, 3))
    pixels = joints.project(pose, np.repeat(optics, 5, 0))
    found = joints.fitted_camera(pose, pixels)
    assert found is not None
    assert np.allclose(found, optics[0, 2:], atol=1e-6)
    pose[2, 3] = np.nan
    again = joints.fitted_camera(pose, pixels)
    assert again is not None
    assert np.allclose(again, found)
    assert joints.fitted_camera(pose[:1], pixels[:1]) is None, "too few points"
    assert joints.fitted_camera(np.ones((5, 17, 3)), pixels) is None, "all in one place"
    assert joints.fitted_camera(pose, -pixels) is None, "a mirror is no camera"


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    seen = joints.project(np.array([[[0.0, 0, 2], [0, 0, -2], [0, 0, 0]]]), np.array([[9, 9, 1.0, 1, 4, 4]]))
    assert seen[0, 0].tolist() == [4, 4]
    assert np.isnan(seen[0, 1:]).all()
