from __future__ import annotations

import pytest
import torch

from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.balancing.shapley.report import BASELINE, bootstrap_interval, contribution_report
from equipose.balancing.shapley.statistics import CoalitionStatistics


def game(clusters: int = 12, frames: int = 20, seed: int = 0) -> CoalitionStatistics:
    """Two modalities: the first predicts well, the second badly."""
    rng = torch.Generator().manual_seed(seed)
    groups = torch.arange(clusters).repeat_interleave(frames)
    target = torch.randn(len(groups), 17, 3, generator=rng)
    noise = [torch.randn(len(groups), 17, 3, generator=rng) for _ in range(3)]
    none = torch.zeros_like(target)
    predictions = torch.stack([none, target + 0.5 * noise[0], target + 4 * noise[1], target + 0.4 * noise[2]])
    return CoalitionStatistics.from_predictions(predictions, target, groups)


def test_interval_holds_the_scores_and_is_reproducible() -> None:
    statistics = game()
    report = contribution_report(statistics, ("rgb", "wifi"), seed=3, draws=200)
    assert (report.low < report.shapley).all()
    assert (report.shapley < report.high).all()
    again = bootstrap_interval(statistics, coalitions_of(2), seed=3, draws=200)
    assert torch.equal(again[0], report.low)
    assert torch.equal(again[1], report.high)
    other = bootstrap_interval(statistics, coalitions_of(2), seed=4, draws=200)
    assert not torch.equal(other[0], report.low)


def test_interval_shrinks_with_clusters_and_level() -> None:
    def width(clusters: int, level: float = 0.95) -> float:
        low, high = bootstrap_interval(game(clusters), coalitions_of(2), seed=0, draws=300, level=level)
        return float((high - low).mean())

    assert width(64) < 0.7 * width(8)
    assert width(8, level=0.5) < 0.7 * width(8)


def test_clusters_are_the_unit() -> None:
    """Copying every frame of a cluster adds no information and must not narrow the interval."""
    rng = torch.Generator().manual_seed(0)
    target = torch.randn(10, 17, 3, generator=rng)
    predictions = target + torch.randn(4, 10, 17, 3, generator=rng)
    groups = torch.arange(10)
    once = CoalitionStatistics.from_predictions(predictions, target, groups)
    copies = CoalitionStatistics.from_predictions(
        predictions.repeat(1, 5, 1, 1), target.repeat(5, 1, 1), groups.repeat(5)
    )
    for a, b in zip(
        bootstrap_interval(once, coalitions_of(2), seed=1, draws=50),
        bootstrap_interval(copies, coalitions_of(2), seed=1, draws=50),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_report_is_complete() -> None:
    report = contribution_report(game(), ["rgb", "wifi"], value="negative_mpjpe", seed=0, draws=20)
    assert report.baseline == BASELINE
    assert report.value_function == "negative_mpjpe"
    assert (report.num_samples, report.num_clusters) == (240, 12)
    assert report.residual < 1e-9
    assert report.shapley.sum().item() == pytest.approx(float(report.values[-1] - report.values[0]))
    assert report.coalitions.names(report.modalities) == ["none", "R", "W", "RW"]
    torch.testing.assert_close(report.mpjpe_mm, -report.values)
    assert report.spread_mm[0] == 0


def test_one_cluster_gives_no_interval() -> None:
    low, high = bootstrap_interval(game(clusters=1), coalitions_of(2), seed=0, draws=5)
    assert low.isnan().all()
    assert high.isnan().all()


def test_rejects() -> None:
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval(game(), coalitions_of(2), seed=0, level=1.5)
    with pytest.raises(ValueError, match="3 modalities need 8 coalitions, got 4"):
        contribution_report(game(), ("a", "b", "c"), seed=0, draws=2)
