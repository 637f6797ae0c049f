"""Streams of tasks from tables of errors: matrices, their metrics, and paired tests between strategies.

An error table has a row per (strategy, seed, order, after, task, subset, subject): `after` is the position,
from 0, of the last task that was learnt, `task` the one that is tested; `error_sum_mm` (sum over frames) and
`count` (frames). A stream is one (strategy, seed, order).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.pipelines.statistics.comparison import EvidenceRule, compare

STREAM: tuple[str, ...] = ("strategy", "seed", "order")
FINAL, LEARNED = "after the stream", "as learnt"


def matrix(errors: pl.DataFrame, tasks: Sequence[str]) -> NDArray[np.float64]:
    """[T, T] mm of one stream and subset: rows after which task, columns tested on which; NaN if not tested.

    tasks: in the order in which they were learnt, which is that of rows and columns.
    """
    found = np.full((len(tasks), len(tasks)), np.nan)
    ratio = pl.col("error_sum_mm").sum() / pl.col("count").sum()
    for after, task, error in errors.group_by("after", "task").agg(ratio).iter_rows():
        found[after, tasks.index(task)] = error
    return found


def _as_compared(table: pl.DataFrame, method: str) -> pl.DataFrame:
    """`statistics.comparison`'s table of errors, of sums per (method, seed, subject).

    Orders are summed up within a seed: they share runs (joint training does not depend on the order), so
    they are no independent repetitions, and each ends with another task. Where people are nested in tasks (a
    room each), the tasks are strata: how rooms differ in what is forgotten is no chance.
    """
    keys = [pl.col(method).alias("method"), "seed", pl.col("subject").alias("cluster")]
    sums = [pl.col("error_sum_mm").sum(), pl.col("count").sum()]
    nested = [pl.col("task").first().alias("stratum")] if nested_in_tasks(table) else []
    return table.group_by(keys, maintain_order=True).agg(*sums, *nested)


def nested_in_tasks(table: pl.DataFrame) -> bool:
    """Whether every subject is tested in one task only, and every task has two subjects or more."""
    pairs = table.select("subject", "task").unique()
    people: list[int] = pairs.group_by("task").len()["len"].to_list()
    return len(pairs) == pairs["subject"].n_unique() and min(people, default=0) >= 2


def final_errors(errors: pl.DataFrame) -> pl.DataFrame:
    """The rows after the last task: the error on all tasks at the end."""
    last = pl.col("after") == pl.col("after").max().over(STREAM)
    return errors.filter(last)


def compare_final(errors: pl.DataFrame, reference: str) -> pl.DataFrame:
    """Every strategy's final error against the reference's; see `statistics.comparison.compare`.

    errors: of one subset. Paired over seeds and subjects, whose errors are means over the orders; all
    differences are strategy minus reference. Of people in rooms, a verdict is about these rooms.
    """
    return compare(_as_compared(final_errors(errors), "strategy"), EvidenceRule(reference=reference))


def compare_with_own_learning(errors: pl.DataFrame, strategy: str) -> pl.DataFrame:
    """Whether a strategy forgot: its error on earlier tasks after the stream against that as it learnt them.

    One row of `statistics.comparison.compare`: `difference_mm` is minus the backward transfer, and `hurt`
    means that it forgot beyond chance. errors: of one subset, with `position`, that of the tested task.
    """
    mine = errors.filter(
        (pl.col("strategy") == strategy) & (pl.col("position") < pl.col("after").max().over(STREAM))
    )
    learned = mine.filter(pl.col("after") == pl.col("position")).with_columns(when=pl.lit(LEARNED))
    final = final_errors(mine).with_columns(when=pl.lit(FINAL))
    return compare(_as_compared(pl.concat([learned, final]), "when"), EvidenceRule(reference=LEARNED))


def compare_forgetting(errors: pl.DataFrame, reference: str) -> pl.DataFrame:
    """What every strategy forgot, against what the reference did: later minus as learnt, on earlier tasks.

    errors: of one subset, with `position`. A row of `statistics.comparison.compare` per strategy: below 0 it
    forgot less. The reference's errors as learnt are added to both, so that the scale is one of errors.
    """
    earlier = errors.filter(pl.col("position") < pl.col("after").max().over(STREAM))
    keys = ["seed", "order", "task", "subset", "subject"]
    learned = earlier.filter(pl.col("after") == pl.col("position"))
    mine = learned.select("strategy", *keys, own="error_sum_mm")
    theirs = learned.filter(pl.col("strategy") == reference).select(*keys, base="error_sum_mm")
    shifted = (
        final_errors(earlier)
        .join(mine, on=["strategy", *keys], how="left", maintain_order="left")
        .join(theirs, on=keys, how="left", maintain_order="left")
        .with_columns(error_sum_mm=pl.col("error_sum_mm") - pl.col("own") + pl.col("base"))
    )
    return compare(_as_compared(shifted, "strategy"), EvidenceRule(reference=reference))


def with_positions(errors: pl.DataFrame, orders: Mapping[int, Sequence[str]]) -> pl.DataFrame:
    """The table with `position`: that of the tested task in its order."""
    rows = [(order, task, at) for order, tasks in orders.items() for at, task in enumerate(tasks)]
    table = pl.DataFrame(
        rows, schema={"order": pl.Int64, "task": pl.String, "position": pl.Int64}, orient="row"
    )
    return errors.join(table, on=["order", "task"], how="left", maintain_order="left")


def mean_over_streams(metrics: pl.DataFrame) -> pl.DataFrame:
    """Per strategy, in the table's order: the mean of every metric, `<metric>/std` and `streams`.

    metrics: a row per stream, `STREAM` and number columns.
    """
    names = [name for name in metrics.columns if name not in STREAM]
    return metrics.group_by("strategy", maintain_order=True).agg(
        *(pl.col(name).mean() for name in names),
        *(pl.col(name).std().alias(f"{name}/std") for name in names),
        streams=pl.len(),
    )
