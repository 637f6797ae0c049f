from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.clustering import excess_share
from equipose.balancing.methods.awc.continuous import ContinuousAWC


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0, 1.0], [0.5, 0.0]),
        ([5.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([6.0, 3.0, 3.0, 0.0], [1 / 3, 0.0, 0.0, 0.0]),
        ([6.0, 2.0, -5.0], [0.625, 0.0, 0.0]),
        ([2.0, 2.0], [0.0, 0.0]),
        ([-1.0, -2.0], [0.0, 0.0]),
        ([7.0], [0.0]),
    ],
)
def test_excess_share_by_hand(scores: list[float], expected: list[float]) -> None:
    assert excess_share(torch.tensor(scores)).tolist() == pytest.approx(expected)


def test_excess_share_is_continuous_where_clusters_jump() -> None:
    near = excess_share(torch.tensor([1.0001, 1.0, 1.0]))
    assert near.max() < 1e-3
    with pytest.raises(ValueError, match="finite"):
        excess_share(torch.tensor([1.0, torch.nan]))


SETTINGS: dict[str, Any] = {"contributions": "validation", "ratio_s": 0.75, "ratio_i": 0.5}


@pytest.mark.parametrize(
    "method",
    [
        ContinuousAWC(ContinuousAWC.Config(**SETTINGS)),
        AWC(AWC.Config(weights="continuous", **SETTINGS)),
    ],
)
def test_strengths_by_hand(method: AWC, toy_training: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    training = toy_training(method)
    monkeypatch.setattr(training, "contributions", lambda: torch.tensor([6.0, 2.0, 1.0]))
    training.fit(1)
    # Shares 2/3, 2/9, 1/9: only the first exceeds 1/3, by half of what is possible.
    assert method.strengths == pytest.approx({"rgb": 0.625, "lidar": 0.5, "mmwave": 0.5})
    assert training.logged["method/ratio/rgb"] == pytest.approx(0.625)


def test_unknown_weights() -> None:
    with pytest.raises(ValueError, match=r"awc\.weights must be one of \('clusters', 'continuous'\)"):
        AWC.Config(weights="smooth")  # type: ignore[arg-type]
