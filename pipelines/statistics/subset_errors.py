"""Errors of sensor subsets, from frame tables of one run or many: sums per recording, scores, figure inputs.

A frame table has a row per (subset, frame): `subset` (such as `RL`), `environment`, `subject`, `action`,
`mpjpe_mm`, `pa_mpjpe_mm`; tables of several runs are stacked with the columns `method` and `seed`. A joint
table has a row per (subset, recording, joint) with `error_sum_mm` and `count`. Errors are ratios of sums, so
every frame counts alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.models.sensors import SENSORS, subset_name
from equipose.models.skeleton import JOINTS

METRICS: tuple[str, ...] = ("mpjpe_mm", "pa_mpjpe_mm")
RUN: tuple[str, ...] = ("method", "seed")
RECORDING: tuple[str, ...] = ("environment", "subject", "action")
CLUSTERS: dict[str, tuple[str, ...]] = {"subject": ("subject",), "recording": ("subject", "action")}
"""What intervals resample: subjects, or recordings where there are too few subjects; the latter say
something about these subjects only."""


def members(subset: str) -> tuple[str, ...]:
    """The modalities of a subset's name: `RL` -> (rgb, lidar). Inverse of `models.sensors.subset_name`."""
    names = {sensor.letter: name for name, sensor in SENSORS.items() if sensor.letter}
    if subset and all(letter in names for letter in subset):
        return tuple(names[letter] for letter in subset)
    return tuple(subset.split("+"))


def modalities_of(subsets: Iterable[str]) -> tuple[str, ...]:
    """The modalities of a model, in their order, from the names of all its subsets.

    Raises ValueError where they are not all 2^M - 1 non-empty subsets of some modalities.
    """
    found = list(dict.fromkeys(subsets))
    names = max((members(subset) for subset in found), key=len, default=())
    needed = {subset_name(mask, names) for mask in range(1, 1 << len(names))}
    if not names or set(found) != needed:
        raise ValueError(
            f"subsets {sorted(found)} are not all non-empty subsets of {names}: "
            f"missing {sorted(needed - set(found))}, unknown {sorted(set(found) - needed)}"
        )
    return names


def in_size_order(subsets: Iterable[str]) -> list[str]:
    """Subsets by number of sensors, then in the order of the sensors."""
    order = {name: i for i, name in enumerate(SENSORS)}

    def place(subset: str) -> tuple[int, list[int]]:
        known = members(subset)
        return len(known), [order.get(name, len(order)) for name in known]

    return sorted(dict.fromkeys(subsets), key=place)


def full_subset(table: pl.DataFrame) -> str:
    """The subset with the most sensors: the full model."""
    return in_size_order(table["subset"].unique(maintain_order=True))[-1]


def labelled(table: pl.DataFrame) -> pl.DataFrame:
    """The table with `method` and `seed`; a single run without them is method `model`, seed 0."""
    given = {"method": pl.lit("model"), "seed": pl.lit(0, pl.Int64)}
    return table.with_columns(**{name: value for name, value in given.items() if name not in table.columns})


def recording_sums(frames: pl.DataFrame) -> pl.DataFrame:
    """Sums of errors and `count` of frames per (method, seed, subset, recording).

    Its result is small and may be given in place of frames to every function here; for many runs, stack the
    sums rather than the frames. Raises ValueError where
    an error is not finite, or two runs or subsets were judged on different frames.
    """
    if "count" in frames.columns:
        return frames
    unfit = frames.filter(~pl.all_horizontal(pl.col(METRICS).is_finite().fill_null(False)))
    if not unfit.is_empty():
        raise ValueError(f"a frame has no finite error: {unfit.row(0, named=True)}; leave that run out")
    keys = [*RUN, "subset", *RECORDING]
    sums = labelled(frames).group_by(keys, maintain_order=True).agg(pl.col(METRICS).sum(), count=pl.len())
    _check_frames(sums)
    return sums


def _check_frames(sums: pl.DataFrame) -> None:
    """Raise unless every run and subset has the same frames of the same recordings."""
    runs = sums.sort(RECORDING).group_by(*RUN, "subset", maintain_order=True).agg(*RECORDING, "count")
    first = runs.row(0, named=True)
    for run in runs.iter_rows(named=True):
        if any(run[name] != first[name] for name in (*RECORDING, "count")):
            raise ValueError(
                f"{run['method']} seed {run['seed']} {run['subset']} was judged on other frames than "
                f"{first['method']} seed {first['seed']} {first['subset']} ({sum(run['count'])} against "
                f"{sum(first['count'])}); evaluate both on one frame list"
            )


def clustered(frames: pl.DataFrame, *, cluster: str = "subject", metric: str = "mpjpe_mm") -> pl.DataFrame:
    """`method`, `seed`, `subset`, `cluster`, `error_sum_mm`, `count`.

    One subset of it is a table of errors for `statistics.comparison.compare`.
    """
    _known("cluster", cluster, CLUSTERS)
    _known("metric", metric, METRICS)
    name = pl.concat_str(CLUSTERS[cluster], separator="/").alias("cluster")
    keys = [*RUN, "subset", name]
    return (
        recording_sums(frames)
        .group_by(keys, maintain_order=True)
        .agg(error_sum_mm=pl.col(metric).sum(), count=pl.col("count").sum())
    )


def seed_errors(sums: pl.DataFrame, by: str, total: str) -> pl.DataFrame:
    """`method`, `seed`, `by`, `error_mm`: the ratio of the sums of column `total` to the frames."""
    ratio = pl.col(total).sum() / pl.col("count").sum()
    return labelled(sums).group_by(*RUN, by, maintain_order=True).agg(error_mm=ratio)


def over_seeds(errors: pl.DataFrame, by: str, value: str = "error_mm") -> pl.DataFrame:
    """`method`, `by`, `mean`, sample `std` (null for one seed) and `n` over seeds."""
    return errors.group_by("method", by, maintain_order=True).agg(
        mean=pl.col(value).mean(), std=pl.col(value).std(), n=pl.len().cast(pl.Int64)
    )


def subset_scores(frames: pl.DataFrame, metric: str = "mpjpe_mm") -> pl.DataFrame:
    """`method`, `subset`, `mean`, `std`, `n`: the error of every subset over seeds, mm."""
    _known("metric", metric, METRICS)
    return over_seeds(seed_errors(recording_sums(frames), "subset", metric), "subset")


def bar_values(frames: pl.DataFrame, metric: str = "mpjpe_mm") -> dict[str, dict[str, list[float]]]:
    """method -> subset -> mm of every seed, as `figures.subset_bars` takes them."""
    errors = seed_errors(recording_sums(frames), "subset", metric)
    bars: dict[str, dict[str, list[float]]] = {}
    for method, subset, values in (
        errors.group_by("method", "subset", maintain_order=True).agg("error_mm").iter_rows()
    ):
        bars.setdefault(method, {})[subset] = values
    return {method: {name: bars[method][name] for name in in_size_order(bars[method])} for method in bars}


def lattice_values(
    frames: pl.DataFrame, method: str | None = None, metric: str = "mpjpe_mm"
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """([seeds, 2^M] mm by bitmask, modalities) of one method, as `figures.subset_lattice` takes them.

    The empty subset, which no frame table has, is NaN. method: may be left out where there is one only.
    """
    bars = bar_values(frames, metric)
    name = next(iter(bars)) if method is None and len(bars) == 1 else method
    if name not in bars:
        raise ValueError(f"method={method!r}: give one of {list(bars)}")
    modalities = modalities_of(bars[name])
    columns = [bars[name][subset_name(mask, modalities)] for mask in range(1, 1 << len(modalities))]
    return np.column_stack([np.full(len(columns[0]), np.nan), *columns]), modalities


def joint_values(joints: pl.DataFrame, subset: str | None = None) -> dict[str, NDArray[np.float64]]:
    """method -> [seeds, 17] mm of one subset, as `figures.joint_heatmap` takes them; None: the full model."""
    chosen = joints.filter(pl.col("subset") == (subset or full_subset(joints)))
    errors = seed_errors(chosen, "joint", "error_sum_mm")
    wide = errors.pivot("joint", index=RUN, values="error_mm", maintain_order=True)
    return {
        str(method): part.select(JOINTS).to_numpy()
        for (method,), part in wide.group_by("method", maintain_order=True)
    }


def _known(field: str, value: str, known: Iterable[str]) -> None:
    if value not in (names := list(known)):
        raise ValueError(f"{field}={value!r} is unknown; use one of {names}")
