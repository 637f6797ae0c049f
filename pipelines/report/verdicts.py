"""Verdicts on methods for the overview of a report: which helped, which did not, which are undecided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import polars as pl

from equipose.pipelines.statistics.judgement import JUDGEMENTS
from equipose.pipelines.tables.table import Cell


@dataclass(frozen=True, kw_only=True)
class MethodVerdict:
    """One comparison with the reference method."""

    name: str
    """Of the method, such as `+ AWC`."""
    column: str
    """Protocol of the comparison."""
    group: str = ""
    """What else distinguishes comparisons, such as the fusion."""
    verdict: str
    """One of `equipose.pipelines.statistics.judgement.JUDGEMENTS`."""
    difference_mm: float
    """Method minus reference, mm; negative is better."""
    low_mm: float
    """Of the 95 % interval; NaN where there is none."""
    high_mm: float
    seeds: int
    why: str = ""
    """Why the comparison could hardly have found anything."""
    because: str = ""
    """What convergence or headroom made of the tested verdict; empty where it stands."""
    detectable_mm: float = float("nan")
    """The smallest difference that it would probably have found."""
    link: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in JUDGEMENTS:
            raise ValueError(f"verdict={self.verdict!r} of {self.name}; use one of {JUDGEMENTS}")

    @property
    def difference(self) -> str:
        """`−2.1`, mm."""
        return _signed(self.difference_mm)

    @property
    def interval(self) -> str:
        """`[−3.0, −1.2]`, mm, or nothing where there is none."""
        known = isfinite(self.low_mm) and isfinite(self.high_mm)
        return f"[{_signed(self.low_mm)}, {_signed(self.high_mm)}]" if known else ""

    @property
    def hint(self) -> str:
        """What a reader should know of the verdict besides; empty where there is nothing."""
        underpowered = f"underpowered: {self.why}" if self.why else ""
        return "; ".join(filter(None, (self.because, underpowered)))


def _signed(value_mm: float) -> str:
    return Cell(value=value_mm, signed=True).shown


def verdicts_of(
    judged: pl.DataFrame,
    column: str,
    *,
    group: str = "",
    names: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> tuple[MethodVerdict, ...]:
    """One verdict per row of `equipose.pipelines.statistics.judgement.judged`, in its order.

    column: protocol. group: such as the fusion. names: method -> name shown, default the method.
    links: method -> page of its run.
    """
    return tuple(
        MethodVerdict(
            name=(names or {}).get(row["method"], row["method"]),
            column=column,
            group=group,
            verdict=row["judgement"],
            difference_mm=row["difference_mm"],
            low_mm=row["low_mm"],
            high_mm=row["high_mm"],
            seeds=row["seeds"],
            why=row["why"],
            because=row["because"],
            detectable_mm=row["detectable_mm"],
            link=(links or {}).get(row["method"], ""),
        )
        for row in judged.iter_rows(named=True)
    )


def by_verdict(verdicts: Sequence[MethodVerdict]) -> dict[str, tuple[MethodVerdict, ...]]:
    """Verdict -> the methods that got it, in the order given; none for a verdict that was not given."""
    return {verdict: tuple(one for one in verdicts if one.verdict == verdict) for verdict in JUDGEMENTS}
