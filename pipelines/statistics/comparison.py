"""Methods against plain training, from error sums per method, seed and subject: who helped, who hurt.

A table of errors has one row per (method, seed, cluster): columns `method`, `seed`, `cluster`,
`error_sum_mm` (sum over frames of the frame's error, mm) and `count` (frames). Errors are ratios of sums, so
every frame counts alike. A cluster is a test subject; or a recording, where the test part has too few
subjects, and then a verdict is about those subjects alone.

A further column `stratum` says in which group a cluster is, where differences between groups are no chance
(people in the rooms of a stream); see `paired_test`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from equipose.pipelines.statistics.paired_test import (
    Array,
    PairedTest,
    Strata,
    expanded_bootstrap,
    holm,
    paired_test,
)

COLUMNS: tuple[str, ...] = ("method", "seed", "cluster", "error_sum_mm", "count")
RESOLUTION_MM = 1e-6
"""Differences per frame below this are rounding (sums merged in another order), not an effect."""
VERDICTS: tuple[str, ...] = ("helped", "did not help", "hurt", "undecided")


@dataclass(frozen=True, kw_only=True)
class EvidenceRule:
    """What counts as evidence, and which effect is worth having."""

    reference: str = "plain"
    """The method that all others are compared to."""
    alpha: float = 0.05
    """Chance of any false "helped" or "hurt" over all methods together (Holm)."""
    power: float = 0.8
    """Chance with which the minimal detectable difference would be found."""
    worth: float = 0.02
    """An improvement smaller than this share of the reference's error is not worth having."""
    min_seeds: int = 3
    min_clusters: int = 5
    draws: int = 2000
    """Draws of the bootstrap interval."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        for name in ("alpha", "power", "worth"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"{name}={value}: give a share between 0 and 1, such as 0.05")
        for name in ("min_seeds", "min_clusters"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}={getattr(self, name)}: give at least 2, no spread is seen below it")
        if self.draws < 100:
            raise ValueError(f"draws={self.draws}: give at least 100, quantiles of fewer are noise")


def resampled_unit(subjects: int) -> str:
    """A key of `subset_errors.CLUSTERS`: what intervals resample and tests count, given the test subjects.

    Examples:
        >>> resampled_unit(8), resampled_unit(2)
        ('subject', 'recording')
    """
    return "subject" if subjects >= EvidenceRule.min_clusters else "recording"


def method_errors(errors: pl.DataFrame) -> pl.DataFrame:
    """Per method: `mean_mm` and sample `std_mm` over seeds of the seed's ratio of sums, and `seeds`.

    Methods keep the order of the table; `std_mm` is null for a single seed.
    """
    ratio = pl.col("error_sum_mm").sum() / pl.col("count").sum()
    per_seed = checked(errors).group_by("method", "seed", maintain_order=True).agg(error=ratio)
    return per_seed.group_by("method", maintain_order=True).agg(
        mean_mm=pl.col("error").mean(), std_mm=pl.col("error").std(), seeds=pl.len()
    )


def compare(errors: pl.DataFrame, rule: EvidenceRule | None = None) -> pl.DataFrame:
    """One row per method other than the reference, in the table's order.

    Columns, all differences being method minus reference in mm (negative is better): `method`, `seeds`,
    `clusters`, `frames`; `difference_mm`; `low_mm`, `high_mm` (95 % bootstrap, both resampled);
    `standard_error_mm`, `df`, `p`, `p_holm`; `worst_case_low_mm`, `worst_case_high_mm` (t interval that
    covers all methods at once, Bonferroni); `detectable_mm` (minimal detectable difference at that level);
    `verdict`; `underpowered`, `why`.

    Only seeds that both have are compared. Verdict: "helped" or "hurt" where p_holm < alpha; "did not help"
    where the worst-case interval leaves no room for an improvement of `worth` x the reference's error;
    "undecided" otherwise. Underpowered: fewer than `min_seeds` seeds or `min_clusters` clusters, or an
    undecided comparison whose detectable difference exceeds what is worth having.
    Raises ValueError where the reference is missing, or two methods were judged on different frames.
    """
    rule = rule or EvidenceRule()
    table = checked(errors)
    names = table["method"].unique(maintain_order=True).to_list()
    if rule.reference not in names:
        raise ValueError(f"reference {rule.reference!r} is not in the table; it has {names}")
    rivals = [name for name in names if name != rule.reference]
    pairs = {name: _paired(table, name, rule.reference) for name in rivals}
    tests = {name: paired_test(*pair) for name, pair in pairs.items()}
    adjusted = dict(zip(rivals, holm([tests[name].p for name in rivals]), strict=True))
    mean_mm = method_errors(table).filter(pl.col("method") == rule.reference)["mean_mm"].item()
    worth_mm, family = rule.worth * mean_mm, max(1, int(np.isfinite(list(adjusted.values())).sum()))
    rows = [_row(name, *pairs[name], tests[name], adjusted[name], worth_mm, family, rule) for name in rivals]
    return pl.DataFrame(rows, schema=SCHEMA)


SCHEMA: dict[str, Any] = {
    "method": pl.String,
    "seeds": pl.Int64,
    "clusters": pl.Int64,
    "frames": pl.Int64,
    **dict.fromkeys(
        ("difference_mm", "low_mm", "high_mm", "standard_error_mm", "df", "p", "p_holm"), pl.Float64
    ),
    **dict.fromkeys(("worst_case_low_mm", "worst_case_high_mm", "detectable_mm"), pl.Float64),
    "verdict": pl.String,
    "underpowered": pl.Boolean,
    "why": pl.String,
}
"""Columns of `compare`."""


def checked(errors: pl.DataFrame) -> pl.DataFrame:
    """The table, once it is complete: columns, finite sums, positive counts, no row twice, same frames."""
    missing = [name for name in COLUMNS if name not in errors.columns]
    if missing:
        raise ValueError(f"the table of errors lacks the columns {missing}; it has {errors.columns}")
    if errors.is_empty():
        raise ValueError("the table of errors is empty; give at least one finished run")
    unfit = errors.filter(
        ~pl.col("error_sum_mm").cast(pl.Float64).is_finite().fill_null(False) | (pl.col("count") <= 0)
    )
    if not unfit.is_empty():
        raise ValueError(f"a row has no finite error or no frames: {unfit.row(0, named=True)}; leave it out")
    double = errors.filter(errors.select("method", "seed", "cluster").is_duplicated())
    if not double.is_empty():
        raise ValueError(f"{double.row(0, named=True)} is there twice; add its sums up or drop the stale run")
    _check_frames(errors)
    return errors


def _check_frames(errors: pl.DataFrame) -> None:
    """Raise unless every run was judged on the same number of frames of the same clusters."""
    runs = errors.sort("cluster").group_by("method", "seed", maintain_order=True).agg("cluster", "count")
    first = runs.row(0, named=True)
    for run in runs.iter_rows(named=True):
        if run["cluster"] != first["cluster"] or run["count"] != first["count"]:
            raise ValueError(
                f"{run['method']} seed {run['seed']} was judged on other frames than {first['method']} seed "
                f"{first['seed']} ({sum(run['count'])} of {len(run['cluster'])} clusters against "
                f"{sum(first['count'])} of {len(first['cluster'])}); evaluate both on one frame list"
            )


def _paired(table: pl.DataFrame, method: str, reference: str) -> tuple[Array, Array, Strata | None]:
    """Differences of error sums [S, G] over the common seeds, frames [G], and strata [G] where there are."""
    keys = ["seed", "cluster"]
    mine = table.filter(pl.col("method") == method)
    theirs = table.filter(pl.col("method") == reference).select(*keys, other="error_sum_mm")
    both = mine.join(theirs, on=keys).sort(keys)
    seeds = both["seed"].n_unique()
    if not seeds:
        raise ValueError(f"{method} and {reference} have no seed in common; run both with the same seeds")
    sums = (both["error_sum_mm"] - both["other"]).to_numpy().astype(np.float64).reshape(seeds, -1)
    counts = both["count"].to_numpy().astype(np.float64)[: sums.shape[1]]
    strata = None
    if "stratum" in both.columns:
        names = both["stratum"].to_numpy()[: sums.shape[1]]
        strata = np.unique(names, return_inverse=True)[1]
    return np.where(np.abs(sums) < RESOLUTION_MM * counts, 0.0, sums), counts, strata


def _row(
    name: str,
    sums: Array,
    counts: Array,
    strata: Strata | None,
    test: PairedTest,
    p_holm: float,
    worth_mm: float,
    family: int,
    rule: EvidenceRule,
) -> dict[str, Any]:
    level = rule.alpha / family
    low, high = expanded_bootstrap(sums, counts, strata, seed=rule.seed, draws=rule.draws)
    worst_low, worst_high = test.interval(1 - level)
    row = {
        "method": name,
        "seeds": sums.shape[0],
        "clusters": sums.shape[1],
        "frames": int(counts.sum()),
        "difference_mm": test.difference,
        "low_mm": low,
        "high_mm": high,
        "standard_error_mm": test.standard_error,
        "df": test.df,
        "p": test.p,
        "p_holm": p_holm,
        "worst_case_low_mm": worst_low,
        "worst_case_high_mm": worst_high,
        "detectable_mm": test.detectable(level, rule.power),
    }
    row["verdict"] = verdict(test.difference, p_holm, worst_low, worth_mm, rule.alpha)
    row["why"] = "; ".join(_weaknesses(row, worth_mm, rule))
    return {**row, "underpowered": bool(row["why"])}


def verdict(difference: float, p_holm: float, worst_low: float, worth_mm: float, alpha: float) -> str:
    """One of `VERDICTS`; NaN anywhere means that nothing was tested: "undecided"."""
    if p_holm < alpha:
        return "helped" if difference < 0 else "hurt"
    return "did not help" if worst_low > -worth_mm else "undecided"


def _weaknesses(row: dict[str, Any], worth_mm: float, rule: EvidenceRule) -> list[str]:
    """Why the comparison could hardly have found anything; empty where it could."""
    found = []
    for name, least in (("seeds", rule.min_seeds), ("clusters", rule.min_clusters)):
        if row[name] < least:
            few = name.removesuffix("s") if row[name] == 1 else name
            found.append(f"{row[name]} {few}, fewer than {least}")
    if row["verdict"] == "undecided" and row["detectable_mm"] > worth_mm:
        found.append(f"finds only {row['detectable_mm']:.1f} mm or more; {worth_mm:.1f} mm would matter")
    return found
