"""Which sensors are worth having: subsets that no other one beats in error and costs, and how sure that is.

Costs are given per sensor and add up over a subset; any number of them, each with a name and a unit of its
own. All differences are of one trained model on the same frames.

Legend: N subsets, K costs, G clusters, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.pipelines.statistics.comparison import EvidenceRule
from equipose.pipelines.statistics.intervals import clustered_interval, resamples
from equipose.pipelines.statistics.paired_test import Array
from equipose.pipelines.statistics.subset_errors import clustered, in_size_order, members, modalities_of
from equipose.pipelines.statistics.subset_steps import effect, subset_arrays

Costs = Mapping[str, Mapping[str, float]]
"""Name of a cost -> sensor -> its cost."""
CHUNK = 128
"""Draws looked at together, which bounds the memory."""


def cost_column(name: str) -> str:
    """The column of a cost in tables of subsets."""
    return f"cost, {name}"


def check_costs(costs: Costs, sensors: Iterable[str]) -> None:
    """Raise ValueError unless every cost names each of the sensors, and no other, with a number from 0 on."""
    wanted = list(sensors)
    if not costs:
        raise ValueError("no cost is given; name one, such as money:rgb=50,lidar=900")
    for name, each in costs.items():
        unknown, missing = sorted(set(each) - set(wanted)), [s for s in wanted if s not in each]
        if unknown or missing:
            raise ValueError(
                f"cost {name!r} lacks {missing} and names {unknown}; give one number for each of {wanted}"
            )
        for sensor, value in each.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"cost {name!r} of {sensor} is {value}; give a number from 0 on")


def total_costs(subsets: Iterable[str], costs: Costs) -> Array:
    """[N, K] the costs of subsets: sums over their sensors."""
    return np.array(
        [[sum(each[sensor] for sensor in members(subset)) for each in costs.values()] for subset in subsets],
        dtype=np.float64,
    )


def on_front(errors: Array, costs: Array) -> NDArray[np.bool_]:
    """[D, N] whether a subset is on the Pareto front: none is as good in everything and better in something.

    errors: [D, N], of each of D draws; costs: [N, K]. Smaller is better.
    """
    at_most = (costs[:, None] <= costs[None]).all(axis=-1)
    less = (costs[:, None] < costs[None]).any(axis=-1)
    found = np.empty(errors.shape, dtype=np.bool_)
    for first in range(0, len(errors), CHUNK):
        part = errors[first : first + CHUNK]
        mine, theirs = part[:, None, :], part[:, :, None]
        beaten = at_most & (theirs <= mine) & (less | (theirs < mine))
        found[first : first + CHUNK] = ~beaten.any(axis=1)
    return found


def choices(
    frames: pl.DataFrame, costs: Costs, *, cluster: str = "subject", metric: str = "mpjpe_mm", seed: int = 0
) -> pl.DataFrame:
    """A row per subset, by size: its error, its costs, and whether it is on the Pareto front.

    Columns: `subset`, `error_mm`, `low_mm`, `high_mm`, a `cost_column` per cost, `front`, and `front_share`:
    the share of resamples of the clusters (subjects, or recordings) in which it is on the front; NaN where
    there are fewer than two. frames: of one model, see `subset_errors`. Raises ValueError for costs that do
    not fit its sensors.
    """
    sums, counts = subset_arrays(clustered(frames, cluster=cluster, metric=metric))
    check_costs(costs, modalities_of(sums))
    subsets = in_size_order(sums)
    table = np.stack([sums[subset][0] for subset in subsets], axis=1)
    spent = total_costs(subsets, costs)
    errors = table.sum(axis=0) / counts.sum()
    intervals = [clustered_interval(column, counts, seed=seed) for column in table.T]
    share = np.full(len(subsets), np.nan)
    if len(counts) > 1:
        weights = resamples(len(counts), seed=seed)
        share = on_front(weights @ table / (weights @ counts)[:, None], spent).mean(axis=0)
    return pl.DataFrame(
        {
            "subset": subsets,
            "error_mm": errors,
            "low_mm": [low for low, _ in intervals],
            "high_mm": [high for _, high in intervals],
            **{cost_column(name): spent[:, k] for k, name in enumerate(costs)},
            "front": on_front(errors[None], spent)[0],
            "front_share": share,
        }
    )


def front_effects(
    frames: pl.DataFrame,
    found: pl.DataFrame,
    *,
    cluster: str = "subject",
    metric: str = "mpjpe_mm",
    rule: EvidenceRule | None = None,
) -> pl.DataFrame:
    """The subsets on the front from the worst to the best, each with its paired difference to the one before.

    found: of `choices`. Columns besides its own: `before` (null for the first), `difference_mm` (negative is
    better), `low_mm_difference`, `high_mm_difference` (95 %, over clusters, the same ones in both).
    """
    sums, counts = subset_arrays(clustered(frames, cluster=cluster, metric=metric))
    front = found.filter(pl.col("front")).sort("error_mm", descending=True)
    rows: list[dict[str, Any]] = []
    before: str | None = None
    for subset in front["subset"]:
        row: dict[str, Any] = {"subset": subset, "before": before}
        if before is not None:
            paired = effect(sums[subset] - sums[before], counts, rule or EvidenceRule())
            row |= {
                "difference_mm": paired["difference_mm"],
                "low_mm_difference": paired["low_mm"],
                "high_mm_difference": paired["high_mm"],
            }
        rows.append(row)
        before = subset
    numbers = dict.fromkeys(("difference_mm", "low_mm_difference", "high_mm_difference"), pl.Float64)
    steps = pl.DataFrame(rows, schema={"subset": pl.String, "before": pl.String, **numbers})
    return front.join(steps, on="subset", how="left", maintain_order="left")
