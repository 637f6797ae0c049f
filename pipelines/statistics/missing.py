"""Errors with one sensor missing at test: as a mean over which one is missing, and in the worst case."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from equipose.pipelines.statistics.subset_errors import (
    METRICS,
    RECORDING,
    RUN,
    in_size_order,
    members,
    recording_sums,
    seed_errors,
)

ONE_MISSING = "one missing"
"""The name of the mean over subsets that lack one sensor, used like a subset's."""


def lacking_one(subsets: Iterable[str]) -> dict[str, str]:
    """Missing sensor -> the subset of all others, in the order of the sensors; empty for one sensor.

    Beyond eight sensors only a sample of the subsets is evaluated, and those that it lacks are left out.

    Examples:
        >>> lacking_one(["R", "L", "M", "RL", "RM", "LM", "RLM"])
        {'rgb': 'LM', 'lidar': 'RM', 'mmwave': 'RL'}
    """
    names = in_size_order(subsets)
    whole = members(names[-1])
    found = {frozenset(members(name)): name for name in names}
    if len(whole) < 2:
        return {}
    lacking = {sensor: frozenset(whole) - {sensor} for sensor in whole}
    return {sensor: found[rest] for sensor, rest in lacking.items() if rest in found}


def one_missing(frames: pl.DataFrame) -> pl.DataFrame:
    """Sums of errors per (method, seed, recording) as the subset `ONE_MISSING`: means over what is missing.

    Every frame counts once, with the mean of its errors. See `subset_errors.recording_sums` for the columns.
    """
    sums = recording_sums(frames)
    lacking = list(lacking_one(sums["subset"].unique(maintain_order=True)).values())
    return (
        sums.filter(pl.col("subset").is_in(lacking))
        .group_by(*RUN, *RECORDING, maintain_order=True)
        .agg(pl.col(METRICS).sum() / len(lacking), count=pl.col("count").sum() // len(lacking))
        .with_columns(subset=pl.lit(ONE_MISSING))
        .select(sums.columns)
    )


def worst_cases(frames: pl.DataFrame, metric: str = "mpjpe_mm") -> pl.DataFrame:
    """`method`, `seed`, `error_mm` and `missing`: the largest error over which one sensor is missing."""
    sums = recording_sums(frames)
    sensors = {name: sensor for sensor, name in lacking_one(sums["subset"].unique()).items()}
    errors = seed_errors(sums.filter(pl.col("subset").is_in(list(sensors))), "subset", metric)
    worst = errors.sort("error_mm", descending=True, maintain_order=True).unique(
        ["method", "seed"], keep="first", maintain_order=True
    )
    order = errors.select("method", "seed").unique(maintain_order=True)
    named = worst.with_columns(missing=pl.col("subset").replace_strict(sensors, return_dtype=pl.String))
    return order.join(named, on=["method", "seed"], how="left", maintain_order="left").drop("subset")
