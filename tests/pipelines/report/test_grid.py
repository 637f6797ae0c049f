"""Tables side by side: which columns the grid has, what stands in a cell, and headers over all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.pipelines.paper.table import ColumnGroup, PaperTable
from equipose.pipelines.report.grid import SPLIT_LEGEND, STACKED_LEGEND, Grid, css_class
from equipose.pipelines.report.html import Section, grid_of, html_report
from equipose.pipelines.tables.table import Caption, Cell, Table, columns_named

CAPTION = Caption(title="t", provenance="real data", protocol="P1", split="S1", frames=4, fingerprint="f")


def plain_table(*names: str) -> Table:
    rows = tuple((Cell(text=name), Cell(value=1.0), Cell(text="helped")) for name in names)
    return Table(caption=CAPTION, columns=columns_named(("method", "MPJPE", "verdict")), rows=rows)


def test_wide_tables_keep_one_column_per_metric(hand_table: PaperTable) -> None:
    narrow = grid_of(hand_table)
    assert (narrow.width, narrow.legend) == (6, SPLIT_LEGEND)
    assert [head.span for head in narrow.heads[0]] == [3, 3]
    p1 = hand_table.columns[0]
    wide = grid_of(replace(hand_table, columns=(p1, ColumnGroup(name="P2", caption=p1.caption))))
    assert (wide.width, wide.legend) == (4, STACKED_LEGEND)
    assert [[head.text for head in row] for row in wide.heads] == [
        ["P1", "P2"],
        ["MPJPE (mm)", "PA-MPJPE (mm)"] * 2,
    ]
    (section, name, entries), (other_section, _, others) = wide.rows
    assert (section, name, other_section) == ("Concat", "plain", "")
    assert [cell.shown for cell, _ in entries[0]] == ["60.50 ± 1.25 (3)", "53.87", "+6.63"]
    assert [cell.shown for cell, _ in entries[2]] == ["not run"]
    assert css_class(*others[0][0]) == "ours best"


def test_any_table_fits_a_grid() -> None:
    grid = Grid(title="Methods", tables={"P1": plain_table("plain", "awc")})
    assert [[(head.text, head.span) for head in row] for row in grid.heads] == [
        [("MPJPE", 1), ("verdict", 1)]
    ]
    (section, name, entries), _ = grid.rows
    assert (section, name) == ("", "plain")
    assert [[cell.shown for cell, _ in cells] for cells in entries] == [["1.0"], ["helped"]]
    assert css_class(Cell(text="helped"), "") == ""


def test_one_table_by_itself_has_its_title_once() -> None:
    grid = Grid.of(replace(plain_table("plain"), caption=replace(CAPTION, title="Steps")))
    assert (grid.title, [name for name, _ in grid.contexts]) == ("Steps", ["Steps"])
    page = html_report("Title", [Section(title="Main", grids=[grid])], "real data")
    assert page.count("Steps") == 2, "above the table, and as its label"
    assert "real data; protocol P1, split S1; 4 frames" in page


def test_tables_with_other_rows_do_not_stand_side_by_side() -> None:
    with pytest.raises(ValueError, match="do not have the same rows"):
        Grid(title="Methods", tables={"P1": plain_table("plain"), "P2": plain_table("awc")})


@pytest.mark.parametrize(
    ("cell", "part", "expected"),
    [
        (Cell(text="not run"), "ours", "none"),
        (Cell(text="unknown"), "paper", "paper none"),
        (Cell(interval=(0.4, 0.9)), "paper", "paper"),
        (Cell(value=1.0), "difference", "difference"),
        (Cell(value=1.0, rank="second"), "ours", "ours"),
    ],
)
def test_classes_say_what_a_cell_is(cell: Cell, part: str, expected: str) -> None:
    assert css_class(cell, part) == expected
