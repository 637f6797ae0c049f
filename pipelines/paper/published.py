"""The numbers that a paper prints, each with its certainty.

A number that was not recovered is `UNKNOWN` in every table; no number is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

CERTAINTIES: dict[str, str] = {
    "read": "read in the paper itself",
    "certain": "two or more independent descriptions of the paper agree",
    "inferred": "follows from other printed numbers",
    "single source": "given by one description of the paper only, so it may be wrong",
    "conflict": "descriptions of the paper contradict each other, so it may be wrong",
    "unknown": "not recovered",
}
"""Certainty -> what it means, for the notes of a table."""


def _check_certainty(certainty: str, *, known: bool) -> None:
    if certainty not in CERTAINTIES:
        raise ValueError(f"certainty={certainty!r}; use one of {list(CERTAINTIES)}")
    if known == (certainty == "unknown"):
        has = "a number" if known else "no number"
        raise ValueError(f"certainty={certainty!r} with {has}; 'unknown' is for cells without any number")


@dataclass(frozen=True, kw_only=True)
class Published:
    """The printed numbers of a row and column; an error is None where it was not recovered."""

    value_mm: float | None = None
    """MPJPE, mm."""
    pa_mm: float | None = None
    """PA-MPJPE, mm."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Name -> number that is not an error in mm, such as `epe_px`."""
    certainty: str
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        numbers = (self.value_mm, self.pa_mm, *self.more.values())
        _check_certainty(self.certainty, known=any(number is not None for number in numbers))
        for name in ("value_mm", "pa_mm"):
            number = getattr(self, name)
            if number is not None and not (isfinite(number) and number > 0):
                raise ValueError(
                    f"{name}={number}: give the printed error in mm, or None where it is unknown"
                )

    def number(self, name: str) -> float | None:
        """`value_mm`, `pa_mm` or one of `more`; None where it is unknown."""
        errors = {"value_mm": self.value_mm, "pa_mm": self.pa_mm}
        return {**self.more, **errors}.get(name)


UNKNOWN = Published(certainty="unknown", source="")
"""A cell of the paper whose numbers were not recovered."""


@dataclass(frozen=True, kw_only=True)
class PublishedRange:
    """A printed range, such as a share of the training time."""

    low: float
    high: float
    unit: str
    certainty: str
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        _check_certainty(self.certainty, known=True)
        if not self.low <= self.high:
            raise ValueError(f"low={self.low} exceeds high={self.high}; swap them")


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """How a row is named."""

    label: str
    section: str = ""
    """Heading that it stands under, such as the fusion."""
    printed: bool = True
    """False for a row that we add: the paper has no numbers there."""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of the paper: its rows and columns, and the numbers that are known."""

    name: str
    """Short, for file names and labels."""
    title: str
    rows: Mapping[str, TableRow]
    """Row key -> its name, in the order shown."""
    columns: tuple[str, ...]
    """Such as the protocols."""
    known: Mapping[tuple[str, str], Published | PublishedRange]
    """(row key, column) -> numbers; all others are unknown."""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for row, column in self.known:
            self._check(row, column)

    def cell(self, row: str, column: str) -> Published | PublishedRange:
        """The numbers of a row and column, `UNKNOWN` where none were recovered.

        Raises ValueError for a row or column that the table lacks.
        """
        self._check(row, column)
        return self.known.get((row, column), UNKNOWN)

    def _check(self, row: str, column: str) -> None:
        if row not in self.rows:
            raise ValueError(
                f"row {row!r} is not in the paper's table {self.name!r}; it has {list(self.rows)}"
            )
        if column not in self.columns:
            raise ValueError(
                f"column {column!r} is not in the paper's table {self.name!r}; it has {list(self.columns)}"
            )
