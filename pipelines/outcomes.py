"""Verdicts over methods as the overview of a report needs them: who helped, who did not, what stays open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import polars as pl

from pipelines.comparison_statistics import VERDICTS
from pipelines.tables import Cell


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One comparison with the reference method."""

    name: str
    """Such as `Concatenation fusion: + AWC`."""
    column: str
    """Protocol that it was judged on."""
    verdict: str
    """One of `comparison_statistics.VERDICTS`."""
    difference_mm: float
    """Method minus reference, mm; negative is better."""
    low_mm: float
    """Of the 95 % interval; NaN where there is none."""
    high_mm: float
    seeds: int
    why: str = ""
    """Why the comparison could hardly have found anything."""
    link: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict={self.verdict!r} of {self.name}; use one of {VERDICTS}")

    @property
    def shown(self) -> str:
        """The difference and its interval: `−2.10 [−3.00, −1.20] mm`."""
        known = isfinite(self.low_mm) and isfinite(self.high_mm)
        interval = (self.low_mm, self.high_mm) if known else None
        return f"{Cell(value=self.difference_mm, interval=interval, signed=True, decimals=2).shown} mm"


def outcomes_of(
    comparison: pl.DataFrame,
    column: str,
    *,
    names: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> tuple[Outcome, ...]:
    """One outcome per row of `comparison_statistics.compare`, in its order.

    column: protocol. names: method -> name shown, default the method. links: method -> page of its run.
    """
    return tuple(
        Outcome(
            name=(names or {}).get(row["method"], row["method"]),
            column=column,
            verdict=row["verdict"],
            difference_mm=row["difference_mm"],
            low_mm=row["low_mm"],
            high_mm=row["high_mm"],
            seeds=row["seeds"],
            why=row["why"],
            link=(links or {}).get(row["method"], ""),
        )
        for row in comparison.iter_rows(named=True)
    )


def by_verdict(outcomes: Sequence[Outcome]) -> dict[str, tuple[Outcome, ...]]:
    """Every verdict, also those that nobody has, with its outcomes in the order given."""
    return {verdict: tuple(o for o in outcomes if o.verdict == verdict) for verdict in VERDICTS}
