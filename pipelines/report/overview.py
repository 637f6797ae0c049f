"""Verdicts on methods as one small grid, with their counts and one sentence on doubtful ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipose.pipelines.report.grid import Head
from equipose.pipelines.report.verdicts import MethodVerdict, by_verdict
from equipose.pipelines.statistics.comparison import VERDICTS
from equipose.pipelines.statistics.judgement import JUDGEMENTS, NO_HEADROOM, UNDER_TRAINED
from equipose.pipelines.tables.table import WEAK

VERDICT_MEANINGS: dict[str, str] = {
    "helped": "lower error than without balancing",
    "did not help": "no improvement worth having",
    "hurt": "higher error than without balancing",
    "undecided": "the runs cannot tell",
    UNDER_TRAINED: "higher error, on training data too",
    NO_HEADROOM: "no gain, where none was to be had",
}
assert tuple(VERDICT_MEANINGS) == JUDGEMENTS
REASONS_SHOWN = 2
"""More reasons than this are summarised."""


@dataclass(frozen=True, kw_only=True)
class VerdictCount:
    """How often a verdict was given."""

    verdict: str
    meaning: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OverviewRow:
    """A method with its verdicts; None where it was not compared."""

    label: str
    cells: tuple[MethodVerdict | None, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Methods in rows; protocols in columns, grouped by fusion."""

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


def overview_of(verdicts: Sequence[MethodVerdict]) -> Overview:
    """The grid of some verdicts; rows and columns are in the order of their first verdict.

    Raises ValueError for two verdicts on one method in one group and column.
    """
    groups = list(dict.fromkeys(one.group for one in verdicts))
    columns = list(dict.fromkeys(one.column for one in verdicts))
    positions = [(group, column) for group in groups for column in columns]
    found = {(one.name, one.group, one.column): one for one in verdicts}
    if len(found) < len(verdicts):
        raise ValueError("two verdicts for one method, group and column; keep one")
    found_by = by_verdict(verdicts)
    return Overview(
        counts=tuple(
            VerdictCount(verdict=verdict, meaning=VERDICT_MEANINGS[verdict], count=len(found_by[verdict]))
            for verdict in JUDGEMENTS
            if verdict in VERDICTS or found_by[verdict]
        ),
        total=len(verdicts),
        heads=_heads(groups, columns),
        rows=tuple(
            OverviewRow(label=name, cells=tuple(found.get((name, *position)) for position in positions))
            for name in dict.fromkeys(one.name for one in verdicts)
        ),
        starts=tuple(column == columns[0] for _, column in positions),
        seeds=_seeds(verdicts),
        doubts=doubts(verdicts),
        mark="" if all(one.why for one in verdicts) else WEAK,
    )


def _heads(groups: list[str], columns: list[str]) -> tuple[tuple[Head, ...], ...]:
    """Groups above columns, where there are groups."""
    above = tuple(Head(text=group, span=len(columns), first=True) for group in groups)
    below = tuple(Head(text=column, first=i == 0) for _ in groups for i, column in enumerate(columns))
    return (above, below) if any(groups) else (below,)


def _seeds(verdicts: Sequence[MethodVerdict]) -> str:
    numbers = sorted({one.seeds for one in verdicts})
    if not numbers:
        return ""
    shown = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"{shown} seed{'' if numbers == [1] else 's'} each"


def doubts(verdicts: Sequence[MethodVerdict]) -> str:
    """One sentence on the underpowered comparisons, empty where there are none."""
    weak = [one for one in verdicts if one.why]
    if not weak:
        return ""
    every = len(weak) == len(verdicts)
    share = f"All {len(weak)}" if every else f"{len(weak)} of {len(verdicts)}"
    mark = "" if every else f" ({WEAK})"
    reasons = list(dict.fromkeys(one.why for one in weak))
    if len(reasons) <= REASONS_SHOWN:
        because = ", or ".join(reasons)
    else:
        floor = [one.detectable_mm for one in weak if one.detectable_mm == one.detectable_mm]
        because = "too few seeds or test subjects for their spread"
        if floor:
            smallest = f"{min(floor):.1f} to {max(floor):.1f} mm"
            because += f"; they could have found only differences of {smallest} or more"
    return (
        f"{share} comparisons are underpowered{mark}: {because}. There, undecided means that more seeds or "
        "test subjects are needed, not that a method has no effect."
    )
