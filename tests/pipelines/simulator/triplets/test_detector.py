"""A simulated detector errs as real ones do: a little everywhere, more where it cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.people.body import J
from equipose.pipelines.simulator.triplets.detector import CLOSE, detect

FRAMES = 4000
PIXELS = np.random.default_rng(0).uniform(300, 700, (1, 17, 2)).repeat(FRAMES, axis=0)
BOXES = np.full((FRAMES, 3), [500.0, 500.0, 550.0])
SEEN = np.zeros((FRAMES, 17), bool)


def errors(hidden: np.ndarray, noise: float = 1.0, side: float = 550.0) -> np.ndarray:
    boxes = BOXES * [1, 1, side / 550]
    found = detect(PIXELS, boxes, hidden, noise, numpy_rng(3, "detector"))
    return np.linalg.norm(found[..., :2] - PIXELS, axis=-1)


def test_visible_joints_are_off_by_what_detectors_are_off() -> None:
    error = errors(SEEN)
    assert 2.0 < error.mean() < 5.0
    assert error[:, J["right_wrist"]].mean() > 1.4 * error[:, J["thorax"]].mean()


def test_hidden_joints_are_off_by_several_times_as_much_and_detectors_know() -> None:
    assert errors(~SEEN).mean() > 2.5 * errors(SEEN).mean()
    half = SEEN.copy()
    half[:, ::2] = True
    sure = detect(PIXELS, BOXES, half, 1.0, numpy_rng(3, "detector"))[..., 2]
    assert sure.min() >= 0
    assert sure.max() <= 1
    assert sure[~half].mean() > sure[half].mean() + 0.2


def test_errors_grow_with_the_person_and_with_noise() -> None:
    assert errors(SEEN, side=1100.0).mean() == pytest.approx(2 * errors(SEEN).mean(), rel=0.1)
    assert errors(SEEN, noise=0.5).mean() == pytest.approx(0.5 * errors(SEEN).mean(), rel=0.1)
    assert not errors(SEEN, noise=0.0).any()


def test_errors_stay_for_a_while() -> None:
    found = detect(PIXELS, BOXES, SEEN, 1.0, numpy_rng(3, "detector"))
    off = (found[..., :2] - PIXELS)[:, J["thorax"], 0]
    assert 0.4 < np.corrcoef(off[1:], off[:-1])[0, 1] < 0.9


def test_left_and_right_are_exchanged_now_and_then_where_they_are_close() -> None:
    left, right = J["left_ankle"], J["right_ankle"]
    near, far = PIXELS.copy(), PIXELS.copy()
    near[:, right] = near[:, left] + [0.8 * CLOSE * 550, 0]
    far[:, right] = far[:, left] + [3 * CLOSE * 550, 0]
    shares = []
    for pixels in (near, far):
        found = detect(pixels, BOXES, SEEN, 1.0, numpy_rng(4, "detector"))[..., :2]
        across = np.linalg.norm(found[:, left] - pixels[:, right], axis=-1)
        shares.append((across < np.linalg.norm(found[:, left] - pixels[:, left], axis=-1)).mean())
    assert 0.002 < shares[0] < 0.05
    assert shares[1] == 0
