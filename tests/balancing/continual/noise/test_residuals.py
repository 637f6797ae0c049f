"""Channel a on tables of features and poses with planted noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from equipose.balancing.continual.noise import residuals
from equipose.balancing.continual.noise.residuals import (
    BULK,
    TAIL,
    Trimming,
    log_distances,
    pose_components,
)
from equipose.balancing.continual.noise.shared_rows import SharedRows, shared_rows
from equipose.models.randomness import torch_rng

RECORDINGS, FRAMES, WIDTH = 12, 40, 16
COUNT = RECORDINGS * FRAMES


def alone(count: int = COUNT) -> SharedRows:
    return shared_rows(torch.arange(count), torch.arange(count), lambda tensor: tensor)


def table(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features [N, D] that the poses [N, 51] and the recordings [N] explain, up to a spread of 0.1."""
    rng = torch_rng(seed, "residuals")
    recordings = torch.arange(RECORDINGS).repeat_interleave(FRAMES)
    state = torch.randn(COUNT, 6, generator=rng, dtype=torch.float64)
    poses = 0.1 * state @ torch.randn(6, 51, generator=rng, dtype=torch.float64) + 3
    offsets = torch.randn(RECORDINGS, WIDTH, generator=rng, dtype=torch.float64)[recordings]
    features = state @ torch.randn(6, WIDTH, generator=rng, dtype=torch.float64) / 2 + offsets
    return features + 0.1 * torch.randn(features.shape, generator=rng).double(), poses, recordings


def planted(features: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """The features with 5 % of the rows contaminated, and [N] bool: which."""
    rng = torch_rng(1, "planted", kind)
    where = torch.zeros(COUNT, dtype=torch.bool)
    starts = torch.randperm(COUNT - 6, generator=rng)[: 4 if kind == "burst" else 24]
    for start in starts.tolist():
        where[start : start + (6 if kind == "burst" else 1)] = True
    noise = {
        "swap": features.roll(5 * FRAMES, dims=0) - features,
        "offset": 0.4 * torch.randn(1, WIDTH, generator=rng).double(),
        "gauss": 0.4 * torch.randn(features.shape, generator=rng).double(),
        "burst": 0.4 * torch.randn(features.shape, generator=rng).double(),
    }[kind]
    return torch.where(where[:, None], features + noise, features), where


def everything(count: int = COUNT) -> Tensor:
    return torch.ones(count, dtype=torch.bool)


@pytest.mark.parametrize("kind", ["swap", "offset", "gauss", "burst"])
def test_planted_noise_stands_out(kind: str) -> None:
    clean, poses, recordings = table()
    features, where = planted(clean, kind)
    shared = alone()
    components = pose_components(poses, shared)
    found = log_distances(features, components, recordings, everything(), shared)
    assert roc_auc_score(where, found) > 0.95
    # Without noise the same rows are like all others.
    without = log_distances(clean, components, recordings, everything(), shared)
    assert 0.35 < roc_auc_score(where, without) < 0.65


def test_a_recording_may_differ_but_not_for_the_bulk_alarm() -> None:
    features, poses, recordings = table()
    where = recordings == 4
    features[where] += 3.0
    shared = alone()
    components = pose_components(poses, shared)
    tail = log_distances(features, components, recordings, everything(), shared, TAIL)
    bulk = log_distances(features, components, recordings, everything(), shared, BULK)
    assert roc_auc_score(where, tail) < 0.65
    assert roc_auc_score(where, bulk) > 0.95


def test_distances_are_those_of_a_plain_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trimming, offsets and ridge it is the Mahalanobis distance of least-squares residuals."""
    monkeypatch.setattr(residuals, "RIDGE", 0.0)
    features, poses, recordings = table()
    shared = alone()
    components = pose_components(poses, shared)
    plain = Trimming(refits=0, offsets=False)
    found = log_distances(features, components, recordings, everything(), shared, plain)
    design = torch.cat([components, torch.ones(COUNT, 1, dtype=torch.float64)], dim=1)
    rest = features - design @ torch.linalg.lstsq(design, features).solution
    expected = (rest @ torch.linalg.inv(rest.T @ rest / COUNT) * rest).sum(dim=1).sqrt().log()
    torch.testing.assert_close(found, expected)


def test_components_are_uncorrelated_with_variance_one() -> None:
    _, poses, _ = table()
    components = pose_components(poses, alone())
    assert components.shape == (COUNT, 6), "the poses have six degrees of freedom"
    torch.testing.assert_close(components.T @ components / COUNT, torch.eye(6, dtype=torch.float64))


def test_absent_rows_have_no_distance_and_no_influence() -> None:
    features, poses, recordings = table()
    present = torch.arange(COUNT) % 7 != 3
    shared = alone()
    components = pose_components(poses, shared)
    found = log_distances(features, components, recordings, present, shared)
    assert torch.equal(found.isnan(), ~present)
    other = torch.where(present[:, None], features, 1e3)
    assert torch.equal(found[present], log_distances(other, components, recordings, present, shared)[present])
    assert log_distances(features, components, recordings, ~everything(), shared).isnan().all()


def test_two_ranks_equal_one(thread_ranks: Callable) -> None:
    features, poses, recordings = table()
    features, _ = planted(features, "swap")
    ranks, rows = thread_ranks(2), torch.arange(COUNT)

    def work(rank: int, world: int) -> Tensor:
        own = rows[rank::world].flip(0)
        shared = shared_rows(rows, own, ranks.mean(rank) if world > 1 else lambda tensor: tensor)
        components = pose_components(poses[own], shared)
        return log_distances(features[own], components, recordings, everything(), shared)

    first, second = ranks.run(lambda rank: work(rank, 2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, work(0, 1), rtol=0, atol=1e-9)


def test_the_worst_rows_of_every_recording_are_left_out() -> None:
    distance = torch.tensor([4.0, 1.0, 9.0, 2.0, 3.0, torch.nan, 8.0, 7.0, 6.0, 5.0])
    groups = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    best = residuals._best(distance, groups, 0.8)
    assert best.tolist() == [True, True, False, True, True, False, False, True, True, True]


def test_recordings_of_one_frame_are_finite() -> None:
    features, poses, _ = table()
    shared = alone()
    found = log_distances(features, pose_components(poses, shared), torch.arange(COUNT), everything(), shared)
    assert found.isfinite().all()
