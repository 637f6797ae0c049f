from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import VALUE_FUNCTIONS


def data(
    samples: int, coalitions: int = 4, seed: int = 0, scale: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, targets and groups; depth about 3 m, as in the sensor frame."""
    rng = torch.Generator().manual_seed(seed)
    target = torch.randn(samples, 17, 3, generator=rng) * 0.2 + torch.tensor([0.0, 0.0, 3.0])
    noise = torch.randn(coalitions, samples, 17, 3, generator=rng)
    predictions = target + scale * torch.arange(coalitions)[:, None, None, None] * noise
    predictions[0] = 3.0
    return predictions, target, torch.randint(0, 3, (samples,), generator=rng)


def from_rows(rows: np.ndarray, everything: tuple[Tensor, Tensor, Tensor]) -> CoalitionStatistics:
    predictions, target, groups = everything
    keep = torch.as_tensor(rows)
    return CoalitionStatistics.from_predictions(predictions[:, keep], target[keep], groups[keep])


def assert_same(a: CoalitionStatistics, b: CoalitionStatistics, tolerance: float = 1e-11) -> None:
    for f in fields(CoalitionStatistics):
        torch.testing.assert_close(getattr(a, f.name), getattr(b, f.name), rtol=tolerance, atol=tolerance)


def test_moments_equal_numpy() -> None:
    predictions, target, groups = data(50)
    statistics = CoalitionStatistics.from_predictions(predictions, target, groups)
    assert statistics.clusters.tolist() == [0, 1, 2]
    for row, cluster in enumerate(statistics.clusters):
        keep = groups == cluster
        y = target[keep].double().flatten(1)
        assert statistics.count[row] == keep.sum()
        torch.testing.assert_close(statistics.target_mean[row], y.mean(0))
        torch.testing.assert_close(statistics.target_m2[row], y.var(0, correction=0) * len(y))
        for c in range(4):
            p = predictions[c, keep].double().flatten(1)
            torch.testing.assert_close(statistics.mean[row, c], p.mean(0))
            torch.testing.assert_close(statistics.m2[row, c], (p - p.mean(0)).square().sum(0))
            expected = ((p - p.mean(0)) * (y - y.mean(0))).sum(0)
            torch.testing.assert_close(statistics.comoment[row, c], expected)


def test_mpjpe_and_spread() -> None:
    predictions, target, groups = data(40)
    statistics = CoalitionStatistics.from_predictions(predictions, target, groups)
    expected = (predictions.double() - target).norm(dim=-1).mean(dim=(1, 2)) * 1000
    torch.testing.assert_close(statistics.mpjpe_mm(), expected)
    spread = predictions.double().flatten(2).std(dim=1, correction=0).mean(dim=-1)
    torch.testing.assert_close(statistics.prediction_spread(), spread)
    assert statistics.prediction_spread()[0] < 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_partition_in_any_order(samples: int, parts: int, random: object) -> None:
    everything = data(samples, seed=samples)
    order = list(range(samples))
    random.shuffle(order)  # type: ignore[attr-defined]
    pieces = [piece for piece in np.array_split(np.array(order), parts) if len(piece)]
    whole = from_rows(np.arange(samples), everything)
    statistics = [from_rows(piece, everything) for piece in pieces]
    assert_same(CoalitionStatistics.merged(statistics), whole)
    one_by_one = statistics[0]
    for part in statistics[1:]:
        one_by_one = CoalitionStatistics.merged([part, one_by_one])
    assert_same(one_by_one, whole)
    for value_of in VALUE_FUNCTIONS.values():
        torch.testing.assert_close(value_of(one_by_one), value_of(whole), rtol=0, atol=1e-9)


def test_large_offsets_cost_no_precision() -> None:
    predictions, target, groups = data(300)
    near = CoalitionStatistics.from_predictions(predictions.double(), target.double(), groups).total()
    far = CoalitionStatistics.from_predictions(
        predictions.double() + 1e6, target.double() + 1e6, groups
    ).total()
    torch.testing.assert_close(far.comoment, near.comoment, rtol=1e-7, atol=1e-7)


def test_ranks_reduce_to_the_joined_data(thread_ranks: Callable) -> None:
    everything = data(31)
    ranks = thread_ranks(3)
    parts = [from_rows(np.arange(31)[rank::3], everything) for rank in range(3)]
    reduced = ranks.run(lambda rank: parts[rank].reduced(ranks.mean(rank)))
    whole = from_rows(np.arange(31), everything)
    for part in reduced:
        for value_of in VALUE_FUNCTIONS.values():
            torch.testing.assert_close(value_of(part), value_of(whole), rtol=0, atol=1e-9)


def test_weights_count_clusters() -> None:
    everything = data(30)
    statistics = from_rows(np.arange(30), everything)
    groups = everything[2].numpy()
    twice = np.concatenate(
        [np.flatnonzero(groups == 0), np.flatnonzero(groups == 0), np.flatnonzero(groups == 2)]
    )
    assert_same(
        statistics.total(torch.tensor([[2.0, 0.0, 1.0]])),
        from_rows(twice, everything).total(),
        tolerance=1e-10,
    )


def test_messages() -> None:
    predictions, target, groups = data(5)
    with pytest.raises(ValueError, match=r"expected predictions \[C, B, J, 3\]"):
        CoalitionStatistics.from_predictions(predictions[:, :4], target, groups)
    with pytest.raises(ValueError, match="no sample"):
        CoalitionStatistics.from_predictions(predictions[:, :0], target[:0], groups[:0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        CoalitionStatistics.from_predictions(predictions * torch.nan, target, groups)
    with pytest.raises(ValueError, match="nothing to merge"):
        CoalitionStatistics.merged([])
    one = CoalitionStatistics.from_predictions(predictions, target, groups)
    with pytest.raises(ValueError, match="different"):
        CoalitionStatistics.merged(
            [one, CoalitionStatistics.from_predictions(predictions[:2], target, groups)]
        )
    with pytest.raises(ValueError, match="weights must be"):
        one.total(torch.ones(2, 9))


def test_regrouped_equals_statistics_of_the_coarser_groups() -> None:
    predictions, target, _ = data(60)
    fine = torch.arange(60) % 6
    coarse = CoalitionStatistics.from_predictions(predictions, target, fine // 2)
    of_fine = CoalitionStatistics.from_predictions(predictions, target, fine)
    assert_same(of_fine.regrouped(of_fine.clusters // 2), coarse)
    with pytest.raises(ValueError, match=r"groups must be \[6\], got \(2,\)"):
        of_fine.regrouped(torch.zeros(2))
