"""A paper's table puts every number at its place and never mixes two data sets in one column group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from equipose.pipelines.paper.awc import MAIN
from equipose.pipelines.paper.published import UNKNOWN
from equipose.pipelines.paper.table import (
    MPJPE,
    PA_MPJPE,
    RESULT_COLUMNS,
    ColumnGroup,
    Measured,
    PaperCell,
    PaperTable,
    difference,
    paper_table,
    published_number,
)
from equipose.pipelines.tables.table import Caption


def group(name: str, fingerprint: str) -> ColumnGroup:
    caption = Caption(
        title=name, provenance="real data", protocol=name, split="S1", frames=9, fingerprint=fingerprint
    )
    return ColumnGroup(name=name, caption=caption)


def frame(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(RESULT_COLUMNS), orient="row", infer_schema_length=None)


def line(row: str, column: str = "P1", fingerprint: str = "f1", metric: str = "mpjpe") -> tuple[Any, ...]:
    return (row, column, metric, 60.0, 1.0, 3, "http://host/1", fingerprint)


def test_ours_meets_the_published_number() -> None:
    table = paper_table(
        MAIN, [group("P1", "f1")], frame(line("concat/awc"), line("concat/awc", metric="pa_mpjpe"))
    )
    p1 = table.columns[0]
    cell = table.cell("concat/awc", p1, MPJPE)
    assert cell.ours == Measured(mean=60.0, std=1.0, n=3)
    assert published_number(cell, MPJPE) == 51.16
    assert difference(cell, MPJPE) == pytest.approx(8.84)
    assert difference(table.cell("concat/awc", p1, PA_MPJPE), PA_MPJPE) == pytest.approx(25.54)
    unknown = table.cell("mlp/awc", p1, MPJPE)
    assert unknown.ours is None
    assert unknown.published == UNKNOWN
    assert difference(unknown, MPJPE) is None


def test_columns_of_ours_have_no_published_number() -> None:
    table = paper_table(MAIN, [group("P4", "f1")], frame(line("concat/awc", "P4")))
    assert table.cell("concat/awc", table.columns[0], MPJPE).published is None


def test_protocols_have_fingerprints_of_their_own_but_a_group_has_one() -> None:
    groups = [group("P1", "f1"), group("P3", "f3")]
    table = paper_table(MAIN, groups, frame(line("concat/awc"), line("concat/awc", "P3", "f3")))
    assert {cell.fingerprint for cell in table.cells.values()} == {None, "f1", "f3"}
    with pytest.raises(ValueError, match=r"two fingerprints in column group 'P3': \['f1', 'f3'\]"):
        paper_table(MAIN, groups, frame(line("concat/awc"), line("concat/awc", "P3", "f1")))
    with pytest.raises(ValueError, match="fingerprint is missing"):
        paper_table(MAIN, groups, frame((*line("concat/awc")[:-1], None)))


def test_results_without_a_place_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\('concat/mla', 'P1', 'mpjpe'\).* have no place"):
        paper_table(MAIN, [group("P1", "f1")], frame(line("concat/mla")))
    with pytest.raises(ValueError, match="two results for one cell"):
        paper_table(MAIN, [group("P1", "f1")], frame(line("concat/awc"), line("concat/awc")))
    with pytest.raises(ValueError, match=r"lack the columns \['link'\]"):
        paper_table(MAIN, [group("P1", "f1")], frame(line("concat/awc")).drop("link"))
    with pytest.raises(ValueError, match="each with a name of its own"):
        paper_table(MAIN, [group("P1", "f1"), group("P1", "f1")], frame(line("concat/awc")))


def test_a_cell_keeps_its_place(hand_table: PaperTable) -> None:
    cell = hand_table.cells["a", "P1", "mpjpe"]
    with pytest.raises(ValueError, match="has no place in table 'hand'"):
        replace(hand_table, cells={("b", "P1", "mpjpe"): cell})
    moved = replace(cell, row="c")
    with pytest.raises(ValueError, match="has no place"):
        replace(hand_table, cells={moved.position: moved})


@pytest.mark.parametrize("link", ["javascript:alert(1)", "JavaScript:x", "data:text/html,x", "//host", ""])
def test_links_only_open_pages(link: str) -> None:
    with pytest.raises(ValueError, match=r"http:// or https://"):
        PaperCell(row="a", column="P1", metric="mpjpe", link=link)


def test_a_measured_number_is_one() -> None:
    with pytest.raises(ValueError, match="mean=nan"):
        Measured(mean=float("nan"), std=None, n=1)
    with pytest.raises(ValueError, match="n=0"):
        Measured(mean=1.0, std=None, n=0)
