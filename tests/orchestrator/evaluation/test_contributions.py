"""Intervals of contributions resample what the paired tests count."""

from __future__ import annotations

import pytest
import torch

from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.orchestrator.evaluation.contributions import contributions
from equipose.orchestrator.evaluation.files import plain_report, report_of

SEED = 4


def of_people(subjects: int, actions: int) -> CoalitionStatistics:
    """Two sensors; the error of the first is each person's own, the same in all of their recordings."""
    rng = torch.Generator().manual_seed(0)
    frames = 6
    target = torch.randn(subjects, actions, frames, 17, 3, generator=rng)
    noise = torch.rand(subjects, 1, 1, 1, 1, generator=rng) * 4
    first = target + noise * torch.randn(target.shape, generator=rng)
    second = target + 2 * torch.randn(target.shape, generator=rng)
    poses = torch.stack([torch.zeros_like(target), first, second, (first + second) / 2]).flatten(1, 3)
    numbers = 1000 * torch.arange(1, subjects + 1)[:, None] + torch.arange(1, actions + 1)
    groups = numbers[..., None].expand(-1, -1, frames).flatten()
    return CoalitionStatistics.from_predictions(poses, target.flatten(0, 2), groups)


@pytest.mark.parametrize(
    ("subjects", "cluster", "count"), [(8, "subject", 8), (5, "subject", 5), (4, "recording", 40)]
)
def test_subjects_are_the_unit_where_there_are_enough(subjects: int, cluster: str, count: int) -> None:
    report = contributions(of_people(subjects, 10), ("rgb", "wifi"), value="pearson", seed=SEED)
    assert (report.cluster, report.num_clusters) == (cluster, count)
    assert report.num_samples == subjects * 10 * 6


def test_more_recordings_of_the_same_people_do_not_narrow_the_interval() -> None:
    def width(actions: int) -> float:
        report = contributions(of_people(8, actions), ("rgb", "wifi"), value="negative_mpjpe", seed=SEED)
        return float((report.high - report.low)[0])

    assert width(24) > 0.8 * width(3)


def test_a_report_of_an_earlier_version_says_what_it_resampled() -> None:
    report = contributions(of_people(8, 2), ("rgb", "wifi"), value="pearson", seed=SEED)
    plain = plain_report(report)
    assert report_of(plain).cluster == "subject"
    del plain["cluster"]
    assert report_of(plain).cluster == "recording"
