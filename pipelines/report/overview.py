"""Verdicts over methods as one small grid: who helped where, counted, with the doubts said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipose.pipelines.report.grid import Head
from equipose.pipelines.report.verdicts import MethodVerdict, by_verdict
from equipose.pipelines.statistics.comparison import VERDICTS
from equipose.pipelines.tables.table import WEAK

VERDICT_MEANINGS: dict[str, str] = {
    "helped": "lower error than without balancing",
    "did not help": "no improvement worth having",
    "hurt": "higher error than without balancing",
    "undecided": "the runs cannot tell",
}
assert tuple(VERDICT_MEANINGS) == VERDICTS
REASONS_SHOWN = 2
"""More different reasons than this are summed up."""


@dataclass(frozen=True, kw_only=True)
class VerdictCount:
    """How often a verdict was given."""

    verdict: str
    meaning: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OverviewRow:
    """A method; None where it was not compared."""

    label: str
    cells: tuple[MethodVerdict | None, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Methods in rows, groups (fusions) and columns (protocols) beside each other."""

    counts: tuple[VerdictCount, ...]
    total: int
    heads: tuple[tuple[Head, ...], ...]
    rows: tuple[OverviewRow, ...]
    starts: tuple[bool, ...]
    """Whether a group begins at a column."""
    seeds: str
    """`3 seeds each`."""
    doubts: str
    """About underpowered comparisons; empty where there are none."""
    mark: str
    """Behind the verdict of an underpowered comparison; empty where all are."""


def overview_of(outcomes: Sequence[MethodVerdict]) -> Overview:
    """The grid of some outcomes, rows and columns in their order.

    Raises ValueError for two outcomes in one place.
    """
    groups = list(dict.fromkeys(o.group for o in outcomes))
    columns = list(dict.fromkeys(o.column for o in outcomes))
    places = [(group, column) for group in groups for column in columns]
    found = {(o.name, o.group, o.column): o for o in outcomes}
    if len(found) < len(outcomes):
        raise ValueError("two outcomes for one method, group and column; give one per place")
    found_by = by_verdict(outcomes)
    return Overview(
        counts=tuple(
            VerdictCount(verdict=verdict, meaning=VERDICT_MEANINGS[verdict], count=len(found_by[verdict]))
            for verdict in VERDICTS
        ),
        total=len(outcomes),
        heads=_heads(groups, columns),
        rows=tuple(
            OverviewRow(label=name, cells=tuple(found.get((name, *place)) for place in places))
            for name in dict.fromkeys(o.name for o in outcomes)
        ),
        starts=tuple(column == columns[0] for _, column in places),
        seeds=_seeds(outcomes),
        doubts=doubts(outcomes),
        mark="" if all(o.why for o in outcomes) else WEAK,
    )


def _heads(groups: list[str], columns: list[str]) -> tuple[tuple[Head, ...], ...]:
    """Groups above columns, where there are groups."""
    above = tuple(Head(text=group, span=len(columns), first=True) for group in groups)
    below = tuple(Head(text=column, first=i == 0) for _ in groups for i, column in enumerate(columns))
    return (above, below) if any(groups) else (below,)


def _seeds(outcomes: Sequence[MethodVerdict]) -> str:
    numbers = sorted({o.seeds for o in outcomes})
    if not numbers:
        return ""
    shown = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"{shown} seed{'' if numbers == [1] else 's'} each"


def doubts(outcomes: Sequence[MethodVerdict]) -> str:
    """One sentence on the comparisons that could hardly have found anything, empty where all could."""
    weak = [o for o in outcomes if o.why]
    if not weak:
        return ""
    every = len(weak) == len(outcomes)
    share = f"All {len(weak)}" if every else f"{len(weak)} of {len(outcomes)}"
    mark = "" if every else f" ({WEAK})"
    reasons = list(dict.fromkeys(o.why for o in weak))
    if len(reasons) <= REASONS_SHOWN:
        because = ", or ".join(reasons)
    else:
        floor = [o.detectable_mm for o in weak if o.detectable_mm == o.detectable_mm]
        because = "too few seeds or test subjects for their spread"
        if floor:
            smallest = f"{min(floor):.1f} to {max(floor):.1f} mm"
            because += f"; they could have found only differences of {smallest} or more"
    return (
        f"{share} comparisons are underpowered{mark}: {because}. There, undecided means that more seeds or "
        "test subjects are needed, not that a method has no effect."
    )
