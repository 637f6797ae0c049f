"""The infrared pair sees the key points of a rectified stereo camera."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.models.skeleton import COCO_KEYPOINTS, JOINTS
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion
from equipose.pipelines.simulator.sensors.infra import BASELINE, CAMERAS, FOCAL

PAIR = ("infra1", "infra2")


def look(pose: np.ndarray, noise: float) -> list[np.ndarray]:
    """Pixels [F, 17, 2] of both cameras."""
    config = SimulatorConfig(frames=len(pose), noise=dict.fromkeys(PAIR, noise))
    found = observe(pose, environment="E01", subject="S02", key="A06", config=config, modalities=PAIR)
    return [np.stack(found[name]) for name in PAIR]


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    return simulate_motion("S02", "A06", SimulatorConfig(frames=80))


def test_disparity_gives_the_joints_back(pose: np.ndarray) -> None:
    left, right = look(pose, 0.0)
    assert np.allclose(left[..., 1], right[..., 1])
    shift = CAMERAS["infra1"].centre[0] - CAMERAS["infra2"].centre[0]
    depth = FOCAL * BASELINE / (left[..., 0] - right[..., 0] - shift)
    for name in ("left_knee", "right_wrist", "left_shoulder"):
        index = COCO_KEYPOINTS.index(name)
        assert np.allclose(depth[:, index], pose[:, JOINTS.index(name), 2])
        assert np.allclose(left[:, index], CAMERAS["infra1"].project(pose[:, JOINTS.index(name)]))


def test_both_detectors_err_on_their_own(pose: np.ndarray) -> None:
    quiet, noisy = look(pose, 0.0), look(pose, 1.0)
    errors = [(after - before)[..., 0] for after, before in zip(noisy, quiet, strict=True)]
    assert all(1.0 < np.median(np.abs(error)) < 6.0 for error in errors)
    assert abs(np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1]) < 0.3
    louder = [(after - before)[..., 0] for after, before in zip(look(pose, 3.0), quiet, strict=True)]
    assert all(np.median(np.abs(b)) > 2 * np.median(np.abs(a)) for a, b in zip(errors, louder, strict=True))
