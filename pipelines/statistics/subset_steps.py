"""Does one sensor more help, and does a sensor do worse in the joint model than trained alone?

Both are paired differences on the same seeds and frames, tested over seeds and clusters as methods are (see
`equipose.pipelines.statistics.paired_test`). With one seed there is only the spread over clusters to go by;
then the result is about that one trained model.

Legend: S seeds, G clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from equipose.models.sensors import subset_name
from equipose.pipelines.statistics.comparison import RESOLUTION_MM, EvidenceRule
from equipose.pipelines.statistics.paired_test import (
    Array,
    PairedTest,
    expanded_bootstrap,
    holm,
    linearised,
    paired_test,
)
from equipose.pipelines.statistics.subset_errors import (
    clustered,
    in_size_order,
    labelled,
    members,
    modalities_of,
    recording_sums,
)

LEVEL = 0.95
"""Coverage of the intervals."""
NUMBERS: tuple[str, ...] = ("difference_mm", "low_mm", "high_mm", "p", "p_holm")


def one_seed_test(sums: Array, counts: Array) -> PairedTest:
    """t test over clusters of one seed's differences, sums [1, G] and counts [G]; NaN for one cluster."""
    z = linearised(sums, counts)[0]
    difference, df = float(z.mean()), len(z) - 1
    if df < 1:
        return PairedTest(difference=difference, standard_error=np.nan, df=np.nan, p=np.nan)
    error = float(z.std(ddof=1) / np.sqrt(len(z)))
    if error == 0:
        return PairedTest(difference=difference, standard_error=0.0, df=df, p=float(difference == 0))
    p = float(2 * stats.t.sf(abs(difference) / error, df))
    return PairedTest(difference=difference, standard_error=error, df=df, p=p)


def effect(sums: Array, counts: Array, rule: EvidenceRule) -> dict[str, Any]:
    """`difference_mm`, its interval and p of differences of error sums [S, G] and frames [G].

    Several seeds: crossed test and bootstrap over seeds and clusters; one seed: t over clusters.
    """
    sums = np.where(np.abs(sums) < RESOLUTION_MM * counts, 0.0, sums)
    if len(sums) > 1:
        test = paired_test(sums, counts)
        low, high = expanded_bootstrap(sums, counts, seed=rule.seed, draws=rule.draws, level=LEVEL)
    else:
        test = one_seed_test(sums, counts)
        low, high = test.interval(LEVEL) if test.standard_error else (test.difference, test.difference)
    seeds, clusters = sums.shape
    return {
        "difference_mm": test.difference,
        "low_mm": low,
        "high_mm": high,
        "p": test.p,
        "seeds": seeds,
        "clusters": clusters,
        "underpowered": seeds < rule.min_seeds or clusters < rule.min_clusters,
    }


def step_effects(
    frames: pl.DataFrame,
    *,
    cluster: str = "subject",
    metric: str = "mpjpe_mm",
    rule: EvidenceRule | None = None,
) -> pl.DataFrame:
    """For every method, subset S of two or more sensors and sensor m in S: error(S) - error(S without m), mm.

    Columns: `method`, `subset`, `added` (m), `without`, `mean_mm`, `without_mm`, `difference_mm`, `low_mm`,
    `high_mm`, `p`, `p_holm`, `seeds`, `clusters`, `underpowered`, `worse` (the difference is positive),
    `hurts` and `helps` (p_holm < alpha; Holm over the steps of the method, 28 with four sensors).
    """
    rule = rule or EvidenceRule()
    rows: list[dict[str, Any]] = []
    errors = clustered(frames, cluster=cluster, metric=metric)
    for (method,), part in errors.group_by("method", maintain_order=True):
        sums, counts = subset_arrays(part)
        rows += _adjusted([{"method": method, **step} for step in _steps(sums, counts, rule)], rule)
    return pl.DataFrame(rows, schema=STEP_SCHEMA)


def subset_arrays(errors: pl.DataFrame) -> tuple[dict[str, Array], Array]:
    """subset -> error sums [S, G] of one method, and frames [G]; seeds and clusters ascending."""
    seeds = errors["seed"].n_unique()
    arrays = {}
    for (subset,), part in errors.sort("seed", "cluster").group_by("subset", maintain_order=True):
        if part["seed"].n_unique() != seeds:
            raise ValueError(
                f"subset {subset} lacks some of the {seeds} seeds; evaluate all subsets of a run"
            )
        arrays[str(subset)] = part["error_sum_mm"].to_numpy().astype(np.float64).reshape(seeds, -1)
    return arrays, part["count"].to_numpy().astype(np.float64)[: arrays[str(subset)].shape[1]]


def _steps(sums: Mapping[str, Array], counts: Array, rule: EvidenceRule) -> Iterator[dict[str, Any]]:
    modalities = modalities_of(sums)
    for subset in in_size_order(sums):
        names = members(subset)
        for added in names if len(names) > 1 else ():
            rest = sum(1 << m for m, name in enumerate(modalities) if name in names and name != added)
            without = subset_name(rest, modalities)
            yield {
                "subset": subset,
                "added": added,
                "without": without,
                "mean_mm": _mean(sums[subset], counts),
                "without_mm": _mean(sums[without], counts),
                **effect(sums[subset] - sums[without], counts, rule),
            }


def alone_effects(
    frames: pl.DataFrame,
    alone: pl.DataFrame,
    *,
    cluster: str = "subject",
    metric: str = "mpjpe_mm",
    rule: EvidenceRule | None = None,
) -> pl.DataFrame:
    """For every method and sensor: the joint model with that sensor only, against one trained on it alone.

    alone: frames of the models trained alone, one sensor and seed each; its `method` is not looked at. Only
    seeds that both have are compared. Columns as of `step_effects`, but `alone_mm` in place of `added`,
    `without`, `without_mm`; differences are joint minus alone, so a positive one is what joint training
    costs the sensor. Raises ValueError where seeds or frames have nothing in common.
    """
    rule = rule or EvidenceRule()
    both = pl.concat(
        [
            recording_sums(frames).with_columns(alone=pl.lit(False)),
            recording_sums(labelled(alone).with_columns(method=pl.lit(""))).with_columns(alone=pl.lit(True)),
        ],
        how="diagonal_relaxed",
    )
    single = both.filter(pl.col("subset").is_in([s for s in both["subset"].unique() if len(members(s)) == 1]))
    reference = clustered(single.filter(pl.col("alone")), cluster=cluster, metric=metric)
    rows: list[dict[str, Any]] = []
    for (method,), part in single.filter(~pl.col("alone")).group_by("method", maintain_order=True):
        mine = clustered(part, cluster=cluster, metric=metric)
        rows += _adjusted(list(_against_alone(str(method), mine, reference, rule)), rule)
    return pl.DataFrame(rows, schema=ALONE_SCHEMA)


def _against_alone(
    method: str, mine: pl.DataFrame, reference: pl.DataFrame, rule: EvidenceRule
) -> Iterator[dict[str, Any]]:
    theirs = reference.select("seed", "subset", "cluster", other="error_sum_mm", frames="count")
    for subset in in_size_order(reference["subset"]):
        here = mine.filter(pl.col("subset") == subset)
        pair = here.join(theirs, on=["seed", "subset", "cluster"]).sort("seed", "cluster")
        seeds = pair["seed"].n_unique()
        if (
            not seeds
            or len(pair) != seeds * here["cluster"].n_unique()
            or (pair["count"] != pair["frames"]).any()
        ):
            raise ValueError(
                f"{method} and the model trained on {subset} alone have no seed, or not all frames, "
                "in common; run both with the same seeds and evaluate both on one frame list"
            )
        joint, other = (pair[name].to_numpy().reshape(seeds, -1) for name in ("error_sum_mm", "other"))
        counts = pair["count"].to_numpy().astype(np.float64)[: joint.shape[1]]
        yield {
            "method": method,
            "subset": subset,
            "mean_mm": _mean(joint, counts),
            "alone_mm": _mean(other, counts),
            **effect(joint - other, counts, rule),
        }


def _mean(sums: Array, counts: Array) -> float:
    return float((sums.sum(axis=1) / counts.sum()).mean())


def _adjusted(rows: list[dict[str, Any]], rule: EvidenceRule) -> list[dict[str, Any]]:
    """The rows with `p_holm` over them and what follows from it."""
    finished = []
    for row, p_holm in zip(rows, holm([row["p"] for row in rows]), strict=True):
        found, worse = p_holm < rule.alpha, row["difference_mm"] > 0
        effects = {"worse": worse, "hurts": found and worse, "helps": found and not worse}
        finished.append({**row, "p_holm": p_holm, **effects})
    return finished


_SHARED: dict[str, Any] = {
    **dict.fromkeys(NUMBERS, pl.Float64),
    **dict.fromkeys(("seeds", "clusters"), pl.Int64),
    **dict.fromkeys(("underpowered", "worse", "hurts", "helps"), pl.Boolean),
}
STEP_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("method", "subset", "added", "without"), pl.String),
    **dict.fromkeys(("mean_mm", "without_mm"), pl.Float64),
    **_SHARED,
}
"""Columns of `step_effects`."""
ALONE_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("method", "subset"), pl.String),
    **dict.fromkeys(("mean_mm", "alone_mm"), pl.Float64),
    **_SHARED,
}
"""Columns of `alone_effects`."""
