"""The grid of verdicts: each in its cell, counts that add up, one sentence on doubtful ones."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from equipose.pipelines.report.overview import doubts, overview_of
from equipose.pipelines.report.verdicts import MethodVerdict

NAN = math.nan


def judged(name: str, group: str, column: str, verdict: str = "helped", **more: object) -> MethodVerdict:
    plain = MethodVerdict(
        name=name,
        group=group,
        column=column,
        verdict=verdict,
        difference_mm=-1,
        low_mm=-2,
        high_mm=0,
        seeds=3,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def test_methods_stand_in_rows_and_fusions_over_protocols() -> None:
    found = overview_of(
        [
            judged("a", "Concat", "P1"),
            judged("b", "Concat", "P1", "hurt"),
            judged("a", "Concat", "P2", "undecided"),
            judged("a", "MLP", "P1"),
        ]
    )
    assert [[(head.text, head.span) for head in row] for row in found.heads] == [
        [("Concat", 2), ("MLP", 2)],
        [("P1", 1), ("P2", 1), ("P1", 1), ("P2", 1)],
    ]
    verdicts = {row.label: [cell and cell.verdict for cell in row.cells] for row in found.rows}
    assert verdicts == {"a": ["helped", "undecided", "helped", None], "b": ["hurt", None, None, None]}
    assert found.starts == (True, False, True, False)
    assert {c.verdict: c.count for c in found.counts} == {
        "helped": 2, "did not help": 0, "hurt": 1, "undecided": 1,
    }  # fmt: skip
    assert found.total == 4
    more = overview_of([judged("a", "", "P1"), judged("b", "", "P1", "under-trained")]).counts
    assert [(c.verdict, c.count) for c in more][-1] == ("under-trained", 1)
    assert found.seeds == "3 seeds each"
    assert found.doubts == ""


def test_without_groups_there_is_one_row_of_heads() -> None:
    found = overview_of([judged("a", "", "P1", seeds=1), judged("a", "", "P2", seeds=1)])
    assert [[head.text for head in row] for row in found.heads] == [["P1", "P2"]]
    assert found.seeds == "1 seed each"
    assert overview_of([judged("a", "", "P1"), judged("b", "", "P1", seeds=2)]).seeds == "2 to 3 seeds each"


def test_two_verdicts_in_one_cell_are_refused() -> None:
    with pytest.raises(ValueError, match="two verdicts for one method, group and column"):
        overview_of([judged("a", "", "P1"), judged("a", "", "P1", "hurt")])


def test_doubts_are_one_sentence_however_many_there_are() -> None:
    few = "1 seed, fewer than 3"
    every = [judged("a", "", f"P{i}", "undecided", why=few, detectable_mm=NAN) for i in range(9)]
    assert doubts(every).startswith(f"All 9 comparisons are underpowered: {few}. ")
    assert overview_of(every).mark == ""
    some = [*every, judged("b", "", "P1")]
    assert doubts(some).startswith(f"9 of 10 comparisons are underpowered (†): {few}. ")
    assert overview_of(some).mark == "†"


def test_many_different_doubts_are_summed_up() -> None:
    weak = [
        judged("a", "", f"P{i}", "undecided", why=f"finds only {i}", detectable_mm=float(i))
        for i in range(1, 5)
    ]
    assert "only differences of 1.0 to 4.0 mm or more" in doubts(weak)
    assert "finds only" not in doubts(weak)
