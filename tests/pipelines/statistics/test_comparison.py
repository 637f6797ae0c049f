"""Known effects are found, absent ones are not, and what cannot be known is said to be so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from equipose.pipelines.statistics.comparison import EvidenceRule, compare, method_errors, verdict

COUNTS = np.array([297, 297, 594, 280, 297, 150, 297, 300])


def errors(
    effects: Mapping[str, float], *, seeds: int = 5, clusters: int = 8, noise: float = 1.0, draw: int = 0
) -> pl.DataFrame:
    """Errors about 100 mm; seeds and clusters act on all methods alike, `noise` mm on each apart."""
    rng = np.random.default_rng(draw)
    shared = 5 * rng.normal(size=(seeds, 1)) + 20 * rng.normal(size=clusters)
    counts = COUNTS[:clusters]
    rows = []
    for method, effect in {"plain": 0.0, **effects}.items():
        own = rng.normal(size=(seeds, 1)) + rng.normal(size=clusters) + rng.normal(size=(seeds, clusters))
        mm = 100 + effect + shared + noise * own
        rows += [
            {
                "method": method,
                "seed": s,
                "cluster": f"S{g:02d}",
                "error_sum_mm": mm[s, g] * counts[g],
                "count": int(counts[g]),
            }
            for s in range(seeds)
            for g in range(clusters)
        ]
    return pl.DataFrame(rows)


def rows(result: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["method"]: row for row in result.iter_rows(named=True)}


def test_errors_are_ratios_of_sums_per_seed() -> None:
    table = errors({"AWC": -3.0})
    plain = table.filter(pl.col("method") == "plain")
    per_seed = [
        part["error_sum_mm"].sum() / COUNTS.sum() for part in plain.partition_by("seed", maintain_order=True)
    ]
    first = method_errors(table).row(0, named=True)
    assert first["method"] == "plain"
    assert first["seeds"] == 5
    assert_allclose((first["mean_mm"], first["std_mm"]), (np.mean(per_seed), np.std(per_seed, ddof=1)))


def test_one_seed_has_no_deviation() -> None:
    assert method_errors(errors({}, seeds=1))["std_mm"].to_list() == [None]


def test_help_harm_and_neither_are_told_apart() -> None:
    found = rows(compare(errors({"better": -8.0, "worse": 8.0, "same": 0.0}, noise=0.3)))
    assert {name: row["verdict"] for name, row in found.items()} == {
        "better": "helped",
        "worse": "hurt",
        "same": "did not help",
    }
    assert not any(row["underpowered"] for row in found.values())
    for name, effect in {"better": -8.0, "worse": 8.0, "same": 0.0}.items():
        row = found[name]
        assert row["low_mm"] < effect < row["high_mm"]
        assert row["worst_case_low_mm"] < effect < row["worst_case_high_mm"]
        assert (row["seeds"], row["clusters"], row["frames"]) == (5, 8, COUNTS.sum())


def test_too_much_noise_is_undecided_and_said_to_be_underpowered() -> None:
    row = rows(compare(errors({"AWC": 0.0}, noise=8.0)))["AWC"]
    assert row["verdict"] == "undecided"
    assert row["underpowered"]
    assert "would matter" in row["why"]
    assert row["detectable_mm"] > 2.0


@pytest.mark.parametrize(
    ("seeds", "clusters", "why"), [(2, 8, "2 seeds, fewer than 3"), (3, 4, "4 clusters, fewer than 5")]
)
def test_few_seeds_or_clusters_are_flagged_even_where_an_effect_shows(
    seeds: int, clusters: int, why: str
) -> None:
    row = rows(compare(errors({"AWC": -30.0}, seeds=seeds, clusters=clusters, noise=0.2)))["AWC"]
    assert row["verdict"] == "helped"
    assert row["underpowered"]
    assert row["why"] == why


@pytest.mark.parametrize(("seeds", "clusters"), [(1, 8), (3, 1)])
def test_one_seed_or_one_cluster_decides_nothing(seeds: int, clusters: int) -> None:
    row = rows(compare(errors({"AWC": -30.0}, seeds=seeds, clusters=clusters)))["AWC"]
    assert row["verdict"] == "undecided"
    assert row["underpowered"]
    assert np.isnan([row["p"], row["p_holm"], row["low_mm"], row["detectable_mm"]]).all()
    assert row["difference_mm"] < -20


def test_a_method_equal_to_plain_did_not_help() -> None:
    table = errors({})
    row = rows(compare(pl.concat([table, table.with_columns(method=pl.lit("off"))])))["off"]
    assert (row["verdict"], row["p"], row["difference_mm"]) == ("did not help", 1.0, 0.0)


def test_rounding_is_no_effect() -> None:
    table = errors({})
    off = table.with_columns(method=pl.lit("off"), error_sum_mm=pl.col("error_sum_mm") * (1 + 1e-14))
    row = rows(compare(pl.concat([table, off])))["off"]
    assert (row["verdict"], row["p"]) == ("did not help", 1.0)


def test_only_common_seeds_are_paired() -> None:
    table = errors({"AWC": -3.0}).filter((pl.col("method") == "plain") | (pl.col("seed") < 3))
    partial = rows(compare(table))["AWC"]
    assert partial["seeds"] == 3
    whole = rows(compare(errors({"AWC": -3.0}).filter(pl.col("seed") < 3)))["AWC"]
    assert_allclose(partial["difference_mm"], whole["difference_mm"])
    disjoint = table.filter((pl.col("method") == "AWC") | (pl.col("seed") >= 3))
    with pytest.raises(ValueError, match="no seed in common"):
        compare(disjoint)


def test_the_order_of_rows_does_not_matter() -> None:
    table = errors({"AWC": -1.0})
    shuffled = compare(table.sample(fraction=1, shuffle=True, seed=3))
    for column in ("difference_mm", "p", "low_mm", "high_mm"):
        assert_allclose(shuffled[column], compare(table)[column], rtol=1e-9)


def test_p_and_holm_agree_with_scipy_where_only_clusters_differ() -> None:
    rng = np.random.default_rng(0)
    table = errors({"a": 0, "b": 0}, clusters=6, noise=0.0).with_columns(count=100)
    shift = {"plain": np.zeros(6), "a": rng.normal(1, 1, 6), "b": rng.normal(0, 1, 6)}
    table = table.with_columns(
        error_sum_mm=pl.struct("method", "cluster").map_elements(
            lambda row: 100 * (100 + shift[row["method"]][int(row["cluster"][1:])]), return_dtype=pl.Float64
        )
    )
    found = rows(compare(table))
    p = {name: stats.ttest_1samp(shift[name], 0).pvalue for name in ("a", "b")}
    assert_allclose([found[name]["p"] for name in p], list(p.values()), rtol=1e-6)
    assert_allclose(min(float(str(row["p_holm"])) for row in found.values()), min(1, 2 * min(p.values())))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("count"), r"lacks the columns \['count'\]"),
        (lambda t: t.clear(), "empty"),
        (lambda t: t.with_columns(error_sum_mm=float("nan")), "no finite error"),
        (lambda t: t.with_columns(count=0), "no frames"),
        (lambda t: pl.concat([t, t.head(1)]), "is there twice"),
        (lambda t: t.head(-1), "other frames"),
        (lambda t: t.filter(pl.col("method") != "plain"), "reference 'plain' is not in the table"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(change: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(change(errors({"AWC": 0.0})))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.0), ("worth", 1.0), ("min_seeds", 1), ("draws", 10)]
)
def test_bad_configs_name_the_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        EvidenceRule(**{field: value})


def test_verdicts() -> None:
    assert verdict(-1.0, 0.04, -3.0, 2.0, 0.05) == "helped"
    assert verdict(1.0, 0.04, 0.5, 2.0, 0.05) == "hurt"
    assert verdict(-1.0, 0.05, -1.9, 2.0, 0.05) == "did not help"
    assert verdict(-1.0, 0.05, -2.1, 2.0, 0.05) == "undecided"
    assert verdict(-9.0, float("nan"), float("nan"), 2.0, 0.05) == "undecided"


@pytest.mark.parametrize("draws", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_eight_methods_without_effect_rarely_show_one(draws: int) -> None:
    rule = EvidenceRule(draws=100)
    nothing = {f"method {i}": 0.0 for i in range(8)}
    verdicts = [
        compare(errors(nothing, seeds=3, clusters=6, draw=draw), rule)["verdict"] for draw in range(draws)
    ]
    false = [any(found.is_in(["helped", "hurt"])) for found in verdicts]
    assert np.mean(false) <= (0.1 if draws < 1000 else 0.06)
