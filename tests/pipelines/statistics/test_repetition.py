"""Agreement of decided verdicts with their repetition, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from equipose.pipelines.statistics.repetition import agreement, decided, repeated

FIRST = pl.DataFrame(
    {
        "method": ["a", "b", "c", "d"],
        "judgement": ["helped", "hurt", "undecided", "helped"],
        "difference_mm": [-3.0, 4.0, 1.0, -1.0],
    }
)
AGAIN = pl.DataFrame(
    {
        "method": ["a", "b", "d"],
        "verdict": ["helped", "undecided", "hurt"],
        "difference_mm": [-2.0, 1.0, 2.0],
    }
)


def test_only_decided_verdicts_are_repeated() -> None:
    assert decided(FIRST) == ["a", "b", "d"]


def test_what_came_out_again() -> None:
    found = repeated(FIRST, AGAIN)
    assert found["method"].to_list() == ["a", "b", "d"]
    assert found["again"].to_list() == ["helped", "undecided", "hurt"]
    assert found["agreement"].to_list() == ["yes", "same sign", "no"]
    assert repeated(FIRST, AGAIN.clear()).is_empty()


@pytest.mark.parametrize(
    ("judgement", "first", "verdict", "again", "expected"),
    [
        ("helped", -3.0, "helped", -1.0, "yes"),
        ("helped", -3.0, "did not help", -0.1, "same sign"),
        ("hurt", 3.0, "undecided", -0.1, "no"),
    ],
)
def test_agreement(judgement: str, first: float, verdict: str, again: float, expected: str) -> None:
    mine, other = (
        {"judgement": judgement, "difference_mm": first},
        {"verdict": verdict, "difference_mm": again},
    )
    assert agreement(mine, other) == expected
