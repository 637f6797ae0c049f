"""The crossed test against scipy where the two must agree, and its error rates where there is no effect."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from equipose.pipelines.statistics.paired_test import (
    crossed_bootstrap,
    expanded_bootstrap,
    holm,
    linearised,
    mean_squares,
    paired_test,
)

RNG = np.random.default_rng(5)


def differences(rng: np.random.Generator, seeds: int, clusters: int, *sigma: float) -> np.ndarray:
    """Differences [S, G] without effect: seed, cluster and rest with these standard deviations."""
    seed, cluster, rest = sigma
    return (
        seed * rng.normal(size=(seeds, 1))
        + cluster * rng.normal(size=clusters)
        + rest * rng.normal(size=(seeds, clusters))
    )


def test_variation_over_seeds_alone_is_the_t_test_over_seeds() -> None:
    per_seed = np.array([1.0, 2.5, 0.3, 1.4])
    test = paired_test(np.repeat(per_seed[:, None], 6, axis=1) * 10, np.full(6, 10.0))
    known = stats.ttest_1samp(per_seed, 0)
    assert_allclose((test.p, test.df), (known.pvalue, 3))
    assert_allclose(test.interval(0.9), known.confidence_interval(0.9))


def test_variation_over_clusters_alone_is_the_t_test_over_clusters() -> None:
    per_cluster = np.array([1.0, 2.5, 0.3, 1.4, -0.7])
    test = paired_test(np.tile(per_cluster, (3, 1)), np.ones(5))
    known = stats.ttest_1samp(per_cluster, 0)
    assert_allclose((test.p, test.df), (known.pvalue, 4))


def test_mean_squares_add_up_to_scipys_anova() -> None:
    z = RNG.normal(size=(4, 7))
    seeds, clusters, rest = mean_squares(z)
    within_seeds = (6 * clusters + 18 * rest) / 24
    assert_allclose(seeds / within_seeds, stats.f_oneway(*z).statistic)
    within_clusters = (3 * seeds + 18 * rest) / 21
    assert_allclose(clusters / within_clusters, stats.f_oneway(*z.T).statistic)


def test_unequal_clusters_weigh_by_their_frames() -> None:
    sums, counts = RNG.normal(size=(3, 4)), np.array([10.0, 200.0, 30.0, 5.0])
    z = linearised(sums, counts)
    assert_allclose(z.mean(axis=1), sums.sum(axis=1) / counts.sum())
    assert_allclose(paired_test(sums, counts).difference, (sums.sum(axis=1) / counts.sum()).mean())
    even = linearised(sums, np.full(4, 8.0))
    assert_allclose(even, sums / 8)


def test_influences_are_what_leaving_a_little_of_a_cluster_out_changes() -> None:
    sums, counts = RNG.normal(size=(1, 4)) * 50, np.array([10.0, 200.0, 30.0, 5.0])
    estimate, step = sums.sum() / counts.sum(), 1e-6
    for g in range(4):
        weights = np.ones(4)
        weights[g] += step
        moved = (weights * sums).sum() / (weights * counts).sum()
        assert_allclose(4 * (moved - estimate) / step, linearised(sums, counts)[0, g] - estimate, rtol=1e-3)


def test_one_seed_or_one_cluster_says_nothing() -> None:
    for shape in ((1, 5), (5, 1)):
        test = paired_test(RNG.normal(size=shape), np.ones(shape[1]))
        assert np.isnan([test.p, test.standard_error, *test.interval(0.95), test.detectable(0.05, 0.8)]).all()
        assert np.isnan(crossed_bootstrap(RNG.normal(size=shape), np.ones(shape[1]), seed=0)).all()


def test_no_difference_at_all_is_no_evidence() -> None:
    test = paired_test(np.zeros((3, 5)), np.ones(5))
    assert (test.p, test.difference) == (1.0, 0.0)
    assert test.interval(0.99) == (0.0, 0.0)
    assert paired_test(np.ones((3, 5)), np.ones(5)).p == 0


def test_bootstrap_of_one_factor_equals_scipys() -> None:
    per_cluster = RNG.normal(2.0, 1.0, size=12)
    low, high = crossed_bootstrap(np.tile(per_cluster, (3, 1)), np.ones(12), seed=0, draws=20_000)
    known = stats.bootstrap(
        (per_cluster,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert_allclose((low, high), known, atol=0.03)


def test_bootstrap_is_equal_for_equal_seeds_and_weighs_by_frames() -> None:
    sums, counts = RNG.normal(size=(3, 4)), np.array([1.0, 2.0, 3.0, 4.0])
    assert crossed_bootstrap(sums, counts, seed=1) == crossed_bootstrap(sums, counts, seed=1)
    assert crossed_bootstrap(sums, counts, seed=1) != crossed_bootstrap(sums, counts, seed=2)
    constant = crossed_bootstrap(np.tile(counts * 7, (3, 1)), counts, seed=0)
    assert_allclose(constant, (7.0, 7.0))


def test_the_expanded_bootstrap_covers_what_it_says() -> None:
    rng, raw, wide = np.random.default_rng(3), [], []
    for draw in range(200):
        z = differences(rng, 3, 6, 1.0, 0.3, 0.5)
        for found, interval in ((raw, crossed_bootstrap), (wide, expanded_bootstrap)):
            low, high = interval(z, np.ones(6), seed=draw, draws=200)
            found.append(low < 0 < high)
    assert np.mean(raw) < 0.88
    assert 0.92 <= np.mean(wide) <= 0.99


def test_holm_by_hand() -> None:
    assert_allclose(holm([0.01, 0.04, np.nan, 0.03]), [0.03, 0.06, np.nan, 0.06])
    assert_allclose(holm([0.9, 0.5]), [1.0, 1.0])
    assert holm([]) == []


def test_detectable_difference_is_found_as_often_as_promised() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        noise = differences(rng, 5, 8, 0.0, 1.0, 0.05)
        target = (stats.t.ppf(0.975, 7) + stats.t.ppf(0.8, 7)) / np.sqrt(8)
        found.append(paired_test(noise + target, np.ones(8)).p < 0.05)
    assert 0.7 < np.mean(found) < 0.9
    test = paired_test(np.tile(np.arange(8.0), (5, 1)), np.ones(8))
    expected = np.std(np.arange(8), ddof=1) / np.sqrt(8) * (stats.t.ppf(0.975, 7) + stats.t.ppf(0.8, 7))
    assert_allclose(test.detectable(0.05, 0.8), expected)


SETTINGS = [
    (3, 5, (1.0, 0.0, 1.0), (0.01, 0.08)),
    (3, 8, (1.0, 1.0, 1.0), (0.02, 0.08)),
    (5, 10, (0.5, 0.5, 1.0), (0.01, 0.08)),
    (5, 8, (0.2, 1.0, 0.1), (0.02, 0.09)),
    (3, 10, (0.0, 0.0, 1.0), (0.0, 0.05)),
]


def rejections(draws: int, seeds: int, clusters: int, sigma: tuple[float, ...]) -> float:
    rng = np.random.default_rng(11)
    counts = rng.integers(200, 300, clusters).astype(float)
    p = [
        paired_test(differences(rng, seeds, clusters, *sigma) * counts, counts).p < 0.05 for _ in range(draws)
    ]
    return float(np.mean(p))


@pytest.mark.parametrize(("seeds", "clusters", "sigma", "rates"), SETTINGS)
@pytest.mark.parametrize("draws", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_false_positives_are_near_nominal(
    draws: int, seeds: int, clusters: int, sigma: tuple[float, ...], rates: tuple[float, float]
) -> None:
    slack = 0.02 if draws < 1000 else 0.0
    rate = rejections(draws, seeds, clusters, sigma)
    assert rates[0] - slack <= rate <= rates[1] + slack


def test_a_test_over_clusters_alone_would_be_fooled_by_seeds() -> None:
    rng = np.random.default_rng(2)
    naive, crossed = [], []
    for _ in range(200):
        z = differences(rng, 3, 8, 1.0, 0.0, 1.0)
        naive.append(stats.ttest_1samp(z.mean(axis=0), 0).pvalue < 0.05)
        crossed.append(paired_test(z, np.ones(8)).p < 0.05)
    assert np.mean(naive) > 0.3
    assert np.mean(crossed) < 0.1


ROOMS = np.repeat(np.arange(4), 2)


def test_within_strata_the_mean_squares_are_those_of_a_nested_design() -> None:
    z = RNG.normal(size=(3, 8)) + 30 * ROOMS
    seeds, clusters, rest = mean_squares(z, ROOMS)
    assert_allclose(seeds, mean_squares(z)[0])
    halves = (z[:, ::2] - z[:, 1::2]) / np.sqrt(2)  # of two clusters the difference is all there is
    assert_allclose(clusters, 3 * (halves.mean(axis=0) ** 2).mean())
    assert_allclose(rest, ((halves - halves.mean(axis=0)) ** 2).sum() / (2 * 4))


def test_one_stratum_is_none() -> None:
    sums, counts = RNG.normal(size=(3, 6)), np.full(6, 4.0)
    one = np.zeros(6, dtype=int)
    assert_allclose(paired_test(sums, counts, one).p, paired_test(sums, counts).p)


def test_differences_between_strata_are_no_chance() -> None:
    """Rooms that differ by 20 or more, an effect of -20: told from chance within rooms, not over them."""
    rng = np.random.default_rng(1)
    z = differences(rng, 3, 8, 1.0, 2.0, 1.0) - 20 + np.array([-30.0, -5.0, 5.0, 30.0])[ROOMS]
    within, over = paired_test(z, np.ones(8), ROOMS), paired_test(z, np.ones(8))
    assert within.difference == over.difference
    assert within.p < 0.001
    assert over.p > 0.01
    low, high = expanded_bootstrap(z, np.ones(8), ROOMS, seed=0)
    wide_low, wide_high = expanded_bootstrap(z, np.ones(8), seed=0)
    assert wide_low < low < within.difference < high < wide_high


@pytest.mark.parametrize("sigma", [(1.0, 3.0, 0.0, 2.0), (1.0, 3.0, 5.0, 2.0), (0.0, 0.0, 0.0, 1.0)])
def test_within_strata_it_keeps_its_level(sigma: tuple[float, ...]) -> None:
    """Without effect, rooms differing by 20: seeds, people, seeds within rooms, rest."""
    seed, cluster, both, rest = sigma
    rng, found = np.random.default_rng(2), []
    for _ in range(400):
        z = differences(rng, 3, 8, seed, cluster, rest) + both * rng.normal(size=(3, 4))[:, ROOMS]
        found.append(paired_test(z + np.array([-20.0, -10.0, 10.0, 20.0])[ROOMS], np.ones(8), ROOMS).p < 0.05)
    assert np.mean(found) <= 0.08


@pytest.mark.parametrize("strata", [[0, 0, 1, 1, 2], [0, 0, 1]])
def test_strata_of_one_cluster_are_refused(strata: list[int]) -> None:
    with pytest.raises(ValueError, match="two or more each"):
        paired_test(np.ones((3, 5)), np.ones(5), np.array(strata))
