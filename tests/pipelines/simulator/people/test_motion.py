"""Procedural motion: constant bones, distinct actions, the axes and sides of real MM-Fi."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from equipose.models.skeleton import BONES, JOINTS
from equipose.pipelines.simulator import ACTIONS, SUBJECTS, SimulatorConfig, environment_of, simulate_motion
from equipose.pipelines.simulator.people.motion import FLOOR

J = {name: index for index, name in enumerate(JOINTS)}
SHORT = SimulatorConfig(frames=60)
REAL = Path(__file__).resolve().parents[5] / "shared/data/mmfi/E01_S01_A02_gt_one_frame.npy"


def relative(pose: np.ndarray) -> np.ndarray:
    return pose - pose[:, :1]


def test_shape_determinism_and_seed() -> None:
    pose = simulate_motion("S03", "A12", SHORT)
    assert pose.shape == (60, 17, 3)
    assert pose.dtype == np.float64
    assert np.array_equal(pose, simulate_motion("S03", "A12", SHORT))
    assert not np.allclose(pose, simulate_motion("S03", "A12", SimulatorConfig(frames=60, seed=1)))


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_and_speeds_are_human(action: str) -> None:
    for subject in ("S01", "S40"):
        pose = simulate_motion(subject, action, SHORT)
        lengths = np.stack([np.linalg.norm(pose[:, a] - pose[:, b], axis=-1) for a, b in BONES], 1)
        assert np.ptp(lengths, axis=0).max() < 1e-9
        speed = np.linalg.norm(np.diff(pose, axis=0), axis=-1) * SHORT.rate_hz
        assert 0.2 < speed.max() < 7.0


def test_bones_are_the_subjects_own() -> None:
    def lengths(subject: str, action: str) -> np.ndarray:
        pose = simulate_motion(subject, action, SHORT)
        return np.stack([np.linalg.norm(pose[0, a] - pose[0, b]) for a, b in BONES])

    assert np.allclose(lengths("S05", "A01"), lengths("S05", "A27"))
    assert np.abs(lengths("S05", "A01") - lengths("S06", "A01")).max() > 0.005


def test_every_pair_of_actions_differs() -> None:
    config = SimulatorConfig(frames=120)
    poses = {action: relative(simulate_motion("S02", action, config)) for action in ACTIONS}
    summary = {a: np.concatenate([p.mean(0).ravel(), p.std(0).ravel()]) for a, p in poses.items()}
    names = list(summary)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert np.abs(summary[first] - summary[second]).max() > 0.05, (first, second)


@pytest.mark.parametrize(("left", "right"), [("A13", "A14"), ("A17", "A18")])
def test_left_actions_move_the_left_hand(left: str, right: str) -> None:
    for action, moving, resting in ((left, "left", "right"), (right, "right", "left")):
        spread = relative(simulate_motion("S07", action, SHORT)).std(axis=0).max(axis=-1)
        assert spread[J[f"{moving}_wrist"]] > 4 * spread[J[f"{resting}_wrist"]]


def test_feet_stay_on_one_floor_except_when_jumping() -> None:
    for action in ACTIONS:
        pose = simulate_motion("S11", action, SHORT)
        lower = pose[:, [J["left_ankle"], J["right_ankle"]], 1].max(axis=1)
        assert np.all(lower < FLOOR)
        if action != "A26":
            assert np.all(np.abs(lower - (FLOOR - 0.085)) < 0.03), action
    jump = simulate_motion("S11", "A26", SHORT)[:, [J["left_ankle"], J["right_ankle"]], 1].max(axis=1)
    assert jump.min() < FLOOR - 0.2


def test_people_stand_where_mmfi_stands() -> None:
    roots = {
        environment: np.mean(
            [
                simulate_motion(subject, action, SHORT)[:, 0].mean(0)
                for subject in SUBJECTS
                if environment_of(subject) == environment
                for action in ("A01", "A06", "A12", "A17", "A27")
            ],
            axis=0,
        )
        for environment in ("E01", "E04")
    }
    assert np.allclose(roots["E01"], [-0.035, 0.02, 3.13], atol=0.07)
    assert abs(roots["E04"][0] - 0.239) < 0.05


def test_sides_and_axes_agree_with_a_real_pose() -> None:
    if not REAL.exists():
        pytest.skip(f"no real data at {REAL}")
    real = np.load(REAL, allow_pickle=False)
    made = simulate_motion("S01", "A02", SHORT)
    for left, right in (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")):
        across = real[J[left], 0] - real[J[right], 0]
        assert across > 0
        assert np.all(made[:, J[left], 0] - made[:, J[right], 0] > 0.5 * across)
    # Down is positive, and hands held before the chest are nearer to the sensor than the shoulders.
    for pose in (real, made[made[:, J["left_wrist"], 2].argmin()]):
        assert pose[J["left_ankle"], 1] > pose[J["pelvis"], 1] > pose[J["head"], 1]
        assert pose[J["left_wrist"], 2] < pose[J["left_shoulder"], 2] - 0.1
    nearest = np.linalg.norm(relative(made) - relative(real[None]), axis=-1).mean(-1).min()
    assert nearest < 0.08


def test_unknown_names_say_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"A28.*A01.*A27"):
        simulate_motion("S01", "A28", SHORT)
    with pytest.raises(ValueError, match=r"S41.*S01\.\.S40"):
        simulate_motion("S41", "A01", SHORT)


def test_twenty_seven_names() -> None:
    assert list(ACTIONS) == [f"A{n:02d}" for n in range(1, 28)]
    assert len(set(ACTIONS.values())) == 27
