"""Errors of one trained model by subset of sensors and by group, with intervals that resample subjects.

An interval says how the error varies with the people (or recordings) it was measured on. It says nothing
about another training run: that takes several seeds, see `equipose.pipelines.statistics.comparison`.

Legend: G clusters, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from equipose.models.randomness import numpy_rng
from equipose.pipelines.statistics.paired_test import Array
from equipose.pipelines.statistics.subset_errors import CLUSTERS, METRICS, in_size_order, recording_sums

DRAWS = 2000
LEVEL = 0.95
ALL = "all"
"""The one group of everything, in the columns `by` and `group`."""
GROUPS: tuple[str, ...] = ("environment", "action", "subject")
JOINT = "joint"
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("subset", "by", "group", "metric"), pl.String),
    **dict.fromkeys(("error_mm", "low_mm", "high_mm"), pl.Float64),
    **dict.fromkeys(("frames", "clusters"), pl.Int64),
}
"""Columns of `model_errors`."""


@lru_cache(maxsize=16)
def resamples(clusters: int, *, seed: int = 0, draws: int = DRAWS) -> NDArray[np.int64]:
    """[D, G] how often each of G clusters is drawn, G times with replacement; D is `draws`."""
    rng = numpy_rng(seed, "cluster-bootstrap")
    found = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    found.setflags(write=False)  # it is kept, for hundreds of groups have as many clusters
    return found


def clustered_interval(
    sums: Array, counts: Array, *, seed: int = 0, draws: int = DRAWS, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of a mean error from resampling whole clusters; NaN with fewer than two, never below zero.

    sums, counts: [G] error sums and frames; the mean error is the ratio of their sums. The ends' distances
    from it grow by t / z x sqrt(G / (G - 1)), since few clusters show too little of their variance (after
    Hesterberg 2015), as in `paired_test.expanded_bootstrap`. In 1,000 draws of normal clusters, nominal 95 %
    covered 93 to 96 % with G 3 to 20; unexpanded it was 76 to 92 %.
    """
    if len(counts) < 2:
        return np.nan, np.nan
    weights = resamples(len(counts), seed=seed, draws=draws)
    low, high = np.quantile(weights @ sums / (weights @ counts), [(1 - level) / 2, (1 + level) / 2])
    tail, df = 0.5 + level / 2, len(counts) - 1
    factor = float(stats.t.ppf(tail, df) / stats.norm.ppf(tail) * np.sqrt((df + 1) / df))
    estimate = float(sums.sum() / counts.sum())
    # No error is negative, so cutting there loses no coverage.
    return max(0.0, estimate - factor * (estimate - float(low))), estimate + factor * (float(high) - estimate)


def model_errors(frames: pl.DataFrame, joints: pl.DataFrame, *, cluster: str = "subject") -> pl.DataFrame:
    """Every error of one model: a row per subset, kind of group (`by`), group and metric; columns `SCHEMA`.

    frames, joints: those of an evaluation, see `subset_errors`. by: `all`, `environment`, `action`,
    `subject`, and `joint` (whose metric is the distance to the true joint). cluster: what intervals
    resample, a key of `CLUSTERS`; a group of a single cluster has none.
    """
    if cluster not in CLUSTERS:
        raise ValueError(f"cluster={cluster!r} is unknown; use one of {list(CLUSTERS)}")
    sums = recording_sums(frames)
    rows: list[dict[str, Any]] = []
    for by in (ALL, *GROUPS):
        for metric in METRICS:
            rows += _rows(sums, by, metric, metric, cluster)
    rows += _rows(joints, JOINT, "error_sum_mm", "joint_error_mm", cluster)
    return pl.DataFrame(rows, schema=SCHEMA)


def _rows(sums: pl.DataFrame, by: str, total: str, metric: str, cluster: str) -> Sequence[dict[str, Any]]:
    group = pl.lit(ALL) if by == ALL else pl.col(by)
    unit = pl.concat_str(CLUSTERS[cluster], separator="/")
    table = (
        sums.select("subset", unit.alias("cluster"), total, "count", group=group)
        .group_by("subset", "group", "cluster", maintain_order=True)
        .agg(pl.col(total, "count").sum())
    )
    found = {}
    for (subset, name), part in table.group_by("subset", "group", maintain_order=True):
        errors, counts = (part[column].cast(pl.Float64).to_numpy() for column in (total, "count"))
        low, high = clustered_interval(errors, counts)
        found[str(subset), str(name)] = {
            "subset": subset,
            "by": by,
            "group": name,
            "metric": metric,
            "error_mm": float(errors.sum() / counts.sum()),
            "low_mm": low,
            "high_mm": high,
            "frames": int(counts.sum()),
            "clusters": len(counts),
        }
    names = list(dict.fromkeys(name for _, name in found))
    ordered = names if by in (ALL, JOINT) else sorted(names)
    return [found[subset, name] for subset in in_size_order(table["subset"]) for name in ordered]
