"""A clip measures errors, takes the frames that are kept, and refuses what does not fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.player import Clip
from equipose.pipelines.player.packing import unpacked
from equipose.pipelines.player.panels import HeatPanel

MakeClip = Callable[..., Clip]


def test_errors_are_mean_joint_distances_and_unknown_where_a_pose_is(made_clip: MakeClip) -> None:
    errors = made_clip().errors_mm
    expected = 30 * 3**0.5
    assert errors["first"][[0, 3, 4, 5]] == pytest.approx(np.full(4, expected))
    assert np.isnan(errors["first"][[1, 2]]).all()
    assert errors["second"][5] == pytest.approx(100 * 3**0.5)


def test_the_frames_that_are_kept_are_told(made_clip: MakeClip) -> None:
    clip = made_clip()
    plain = clip.plain(np.array([0, 2, 4]))
    assert plain["numbers"] == [1, 3, 5]
    assert plain["seconds"] == pytest.approx(0.2)
    assert [one["name"] for one in plain["series"]] == ["truth", "first", "second"]
    truth = unpacked(plain["series"][0]["pose"]).reshape(3, 17, 3)
    np.testing.assert_allclose(truth, clip.truth[[0, 2, 4]], atol=1e-4)
    keypoints, cloud, heat, pictures = plain["panels"]
    assert unpacked(keypoints["values"]).shape == (3 * 17 * 2,)
    assert cloud["offsets"] == [0, 9, 18, 27]
    assert (heat["height"], heat["width"], len(pictures["files"])) == (4, 6, 3)
    assert len({*pictures["files"]}) == 3


def test_one_frame_is_a_clip(made_clip: MakeClip) -> None:
    assert made_clip(1).plain(np.array([0]))["seconds"] == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provenance": " "}, "provenance is empty"),
        ({"rate": 0.0}, "rate is 0.0; give frames per second"),
        ({"truth": np.zeros((6, 16, 3))}, r"truth has shape \[6, 16, 3\]; expected \[6, 17, 3\]"),
        ({"predictions": {"far": np.zeros((5, 17, 3))}}, "far has shape"),
        ({"predictions": dict.fromkeys("abcd", np.zeros((6, 17, 3)))}, "predictions are 4; show at most 3"),
        ({"panels": [HeatPanel(title="imu", values=np.zeros((2, 2, 2)))]}, "panel 'imu' has 2 frames"),
        ({"numbers": np.arange(0)}, "has no frames"),
    ],
)
def test_what_does_not_fit_is_refused(made_clip: MakeClip, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made_clip(**changes)
