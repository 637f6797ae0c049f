"""Simulated triplets agree with themselves: picture, key points, box, camera and pose are of one instant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.models.skeleton import BONES
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.sequence import RawSequence
from equipose.pipelines.simulator import PROVENANCE, SimulatorConfig, simulate_motion
from equipose.pipelines.simulator.triplets import TRIPLET_SETS, record_triplets, triplet_set
from equipose.pipelines.simulator.triplets.staging import staged


def record(
    which: str = "indoor", subject: int = 0, action: int = 1, camera: int = 0, **changes: Any
) -> RawSequence:
    found = TRIPLET_SETS[which]
    config = SimulatorConfig(**{"frames": 12} | changes)
    names = found.subjects[subject], found.actions[action], found.cameras[camera]
    return record_triplets(found, *names, config)


def stack(raw: RawSequence, name: str) -> np.ndarray:
    return np.stack([np.asarray(frame, np.float64) for frame in raw.frames[name]])


@pytest.fixture(scope="module", params=TRIPLET_SETS)
def raw(request: pytest.FixtureRequest) -> RawSequence:
    return record(request.param)


def test_key_points_are_the_projected_pose(raw: RawSequence) -> None:
    pose, pixels, optics = (stack(raw, name) for name in ("pose", "exact_keypoints", "intrinsics"))
    projected = optics[:, None, 2:4] * pose[..., :2] / pose[..., 2:] + optics[:, None, 4:]
    assert np.abs(projected - pixels).max() < 0.01
    assert pose[..., 2].min() > 1.0


def test_the_box_holds_the_joints_with_the_usual_margin(raw: RawSequence) -> None:
    pixels, box = stack(raw, "exact_keypoints"), stack(raw, "box")
    longer = (pixels.max(1) - pixels.min(1)).max(1)
    assert np.allclose(box[:, 2], 1.2 * 1.25 * longer)
    inside = np.abs(pixels - box[:, None, :2]) / box[:, None, 2:]
    assert inside.max() < 0.5


def test_detections_err_by_two_to_eight_pixels(raw: RawSequence) -> None:
    off = np.linalg.norm(stack(raw, "keypoints")[..., :2] - stack(raw, "exact_keypoints"), axis=-1)
    longer_side = stack(raw, "intrinsics")[0, :2].max()
    assert 1.0 < np.median(off) * 1000 / longer_side < 8.0


def test_bones_keep_their_length_before_every_camera(raw: RawSequence) -> None:
    pose = stack(raw, "pose")
    lengths = np.linalg.norm(np.stack([pose[:, a] - pose[:, b] for a, b in BONES]), axis=-1)
    assert np.abs(lengths - lengths[:, :1]).max() < 1e-4


def test_everything_is_labelled_and_survives_cleaning(raw: RawSequence) -> None:
    clean = assemble(raw, TRIPLET_NAMES)
    assert set(clean.provenance.values()) == {PROVENANCE}
    assert all(valid.all() for valid in clean.valid.values())
    assert not clean.defects


def turned(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The rotation [3, 3] that takes poses `one` [..., 17, 3] to `two`, of the same instants."""
    a, b = (pose.reshape(-1, 3) - pose.reshape(-1, 3).mean(axis=0) for pose in (one, two))
    u, _, vt = np.linalg.svd(a.T @ b)
    rotation: np.ndarray = u @ vt
    assert np.abs(a @ rotation - b).max() < 1e-3, "one motion, seen from two sides"
    assert np.linalg.det(rotation) > 0, "not in a mirror"
    return rotation


def test_cameras_see_one_motion_and_fixed_ones_stay_between_recordings() -> None:
    rotations = {
        which: [
            turned(*(stack(record(which, action=action, camera=camera), "pose") for camera in (0, 2)))
            for action in (1, 2)
        ]
        for which in ("indoor", "outdoor")
    }
    assert np.allclose(*rotations["indoor"], atol=1e-3)
    assert not np.allclose(*rotations["outdoor"], atol=0.05)


def test_a_carried_camera_moves_within_a_recording() -> None:
    for which, moves in (("indoor", False), ("moving", True)):
        found, config = TRIPLET_SETS[which], SimulatorConfig(frames=12)
        subject, action = found.subjects[0], found.actions[1]
        motion = simulate_motion(subject, action, config)
        world = staged(motion, config.rate_hz, found.roam, config.seed, subject, action)
        seen = stack(record(which), "pose")
        first, last = (turned(world[f], seen[f]) for f in (0, -1))
        assert np.allclose(first, last, atol=1e-3) != moves


def test_recordings_repeat_and_differ_by_seed_subject_and_camera() -> None:
    first = record()
    again = record()
    for name in first.frames:
        assert np.array_equal(stack(first, name), stack(again, name))
    for change in ({"seed": 1}, {"subject": 1}, {"camera": 1}, {"action": 2}):
        other = record(**change)
        for name in ("image", "keypoints", "pose"):
            assert not np.array_equal(stack(first, name), stack(other, name)), (change, name)


def test_noise_and_dropout_reach_what_they_name() -> None:
    exact = record(noise={"keypoints": 0.0})
    assert np.array_equal(stack(exact, "keypoints")[..., :2], stack(exact, "exact_keypoints"))
    silent = assemble(record(dropout={"image": 1.0, "keypoints": 0.5}, frames=30), TRIPLET_NAMES)
    assert not silent.valid["image"].any()
    assert 0 < silent.valid["keypoints"].mean() < 1
    assert silent.valid["pose"].all()
    assert {d.reason for d in silent.defects} == {"constant", "not-finite"}


def test_the_sets_have_the_people_and_parts_of_what_they_stand_for() -> None:
    indoor, outdoor, moving = (TRIPLET_SETS[name] for name in ("indoor", "outdoor", "moving"))
    assert indoor.subjects == ("S01", "S05", "S06", "S07", "S08", "S09", "S11")
    assert (len(indoor.actions), len(indoor.cameras)) == (15, 4)
    assert set(outdoor.parts.values()) == {"train", "test"}
    assert set(moving.parts.values()) == {"test"}
    every = [subject for found in TRIPLET_SETS.values() for subject in found.subjects]
    assert len(set(every)) == len(every), "nobody is in two sets"
    with pytest.raises(ValueError, match=r"'beach'.*indoor"):
        triplet_set("beach")
