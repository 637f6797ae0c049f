"""What is claimed of a weak sensor under joint training, decided by intervals and never by looking.

A claim is a number, its 95 % interval, and a bound that was fixed beforehand. It `holds` where the whole
interval lies on the claimed side of the bound, `does not hold` where all of it lies on the other side, and is
`undecided` in between: too little was measured, or the truth is too near the bound. Intervals are not
corrected for the number of claims; of twenty about nothing, one may come out on a side by chance.

Legend: S seeds, E epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Coverage of every interval."""
COLLAPSED = 0.1
"""Of the true poses' spread: below it predictions are near a constant pose."""
KEPT = 0.5
"""Of the spread of the same sensor trained alone: below it joint training has cost more than half."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The wording of a claim and where its bound lies."""

    name: str
    says: str
    """What holds if the claim does, with the number that is measured."""
    below: bool
    """The claim is that the number lies below the bound; otherwise above it."""
    bound: float = 0.0
    decimals: int = 1


STATEMENTS: dict[str, Statement] = {
    one.name: one
    for one in (
        Statement(
            name="share falls",
            says="share of all contributions, last third of the epochs minus first, is below 0",
            below=True,
            decimals=3,
        ),
        Statement(
            name="score falls",
            says="Shapley score, last third minus first, is below 0",
            below=True,
            decimals=2,
        ),
        Statement(
            name="spread falls",
            says="spread of its predictions, last third minus first (mm), is below 0",
            below=True,
        ),
        Statement(
            name="collapse",
            says=f"spread / that of the true poses, test, is below {COLLAPSED}",
            below=True,
            bound=COLLAPSED,
            decimals=3,
        ),
        Statement(
            name="spread lost",
            says=f"spread / that of the sensor trained alone, test, is below {KEPT}",
            below=True,
            bound=KEPT,
            decimals=3,
        ),
        Statement(
            name="worse than control",
            says="spread / trained alone, minus the same at the first level, is below 0",
            below=True,
            decimals=3,
        ),
        Statement(
            name="adding hurts",
            says="test error with it minus plain training without it (mm) is above 0",
            below=False,
        ),
        Statement(
            name="hurts inside",
            says="test error of the joint model minus the same with its feature zeroed (mm) is above 0",
            below=False,
        ),
        Statement(
            name="behind alone",
            says="test error of the joint model with this sensor only minus trained alone (mm) is above 0",
            below=False,
        ),
    )
}
"""Claim -> wording and bound, in the order of the tables."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about one method at one level, with the numbers that decide it."""

    statement: Statement
    level: str
    method: str
    value: float
    low: float
    high: float
    """Of the 95 % interval; NaN where nothing could be tested."""
    seeds: int

    @property
    def decision(self) -> str:
        """`holds`, `does not hold` or `undecided`."""
        return decide(self.low, self.high, self.statement)


def decide(low: float, high: float, statement: Statement) -> str:
    """On which side of the statement's bound an interval lies."""
    below, above = high < statement.bound, low > statement.bound
    if not (below or above):
        return "undecided"
    return "holds" if below == statement.below else "does not hold"


def thirds(series: ArrayLike) -> tuple[float, float]:
    """Means over the first and the last third of the epochs of a curve [E]; at least one epoch each."""
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"a curve has shape {values.shape}; give [epochs] with at least two of them")
    third = max(1, len(values) // 3)
    return float(values[:third].mean()), float(values[-third:].mean())


def seed_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean over seeds [S] and the ends of its t interval; NaN ends for a single seed."""
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, np.nan, np.nan
    error = float(array.std(ddof=1) / np.sqrt(len(array)))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(array) - 1)) * error
    return mean, mean - half, mean + half


MEASURES: tuple[str, ...] = (
    "share_first",
    "share_last",
    "score_first",
    "score_last",
    "spread_first_mm",
    "spread_last_mm",
    "test_spread_mm",
    "truth_spread_mm",
    "alone_spread_mm",
)
"""Columns of the weak sensor's measures, beside `level`, `method` and `seed`."""


def spread_claims(measures: pl.DataFrame) -> list[Claim]:
    """Claims about contribution and spread: a row of `measures` per level, method and seed.

    Columns are `level`, `method`, `seed` and `MEASURES`; `*_first` and `*_last` are means over thirds of the
    epochs on validation frames, the other spreads are of test frames. The first level is the control.
    """
    keys = ("level", "method", "seed")
    missing = [name for name in (*keys, *MEASURES) if name not in measures.columns]
    if missing or measures.is_empty():
        raise ValueError(f"measures lack {missing} or are empty; give a row per level, method and seed")
    kept = pl.col("test_spread_mm") / pl.col("alone_spread_mm")
    first = measures.filter(pl.col("level") == measures["level"][0])
    control = first.select("method", "seed", control=kept)
    table = measures.sort("seed", maintain_order=True).select(
        *keys,
        (pl.col("share_last") - pl.col("share_first")).alias("share falls"),
        (pl.col("score_last") - pl.col("score_first")).alias("score falls"),
        (pl.col("spread_last_mm") - pl.col("spread_first_mm")).alias("spread falls"),
        (pl.col("test_spread_mm") / pl.col("truth_spread_mm")).alias("collapse"),
        kept.alias("spread lost"),
    )
    table = table.join(control, on=["method", "seed"], how="left", maintain_order="left")
    table = table.with_columns((pl.col("spread lost") - pl.col("control")).alias("worse than control"))
    names = [name for name in STATEMENTS if name in table.columns]
    claims = []
    for (level, method), rows in table.group_by("level", "method", maintain_order=True):
        for name in names:
            if name == "worse than control" and level == measures["level"][0]:
                continue
            value, low, high = seed_interval(rows[name].to_numpy())
            known: dict[str, Any] = {"level": level, "method": method, "seeds": len(rows)}
            claims.append(Claim(statement=STATEMENTS[name], value=value, low=low, high=high, **known))
    return claims


def error_claims(name: str, level: str, effects: pl.DataFrame) -> list[Claim]:
    """A claim per row of `statistics.comparison.compare`, `step_effects` or `alone_effects` at one level.

    effects: `method`, `difference_mm`, `low_mm`, `high_mm` (over seeds and test clusters) and `seeds`.
    """
    if name not in STATEMENTS:
        raise ValueError(f"claim {name!r} is unknown; use one of {list(STATEMENTS)}")
    return [
        Claim(
            statement=STATEMENTS[name],
            level=level,
            method=row["method"],
            value=row["difference_mm"],
            low=row["low_mm"],
            high=row["high_mm"],
            seeds=row["seeds"],
        )
        for row in effects.iter_rows(named=True)
    ]
