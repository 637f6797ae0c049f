"""A published number says how sure it is; a place without one is unknown and nothing else."""

from __future__ import annotations

import pytest

from equipose.pipelines.paper.published import UNKNOWN, Published, PublishedRange, PublishedTable, TableRow


@pytest.mark.parametrize(
    ("value", "pa", "certainty", "message"),
    [
        (50.0, None, "sure", "certainty='sure'; use one of"),
        (50.0, None, "unknown", "'unknown' with a number"),
        (None, None, "certain", "'certain' with no number"),
        (-1.0, None, "certain", "value_mm=-1.0"),
        (50.0, float("nan"), "certain", "pa_mm=nan"),
    ],
)
def test_numbers_and_certainty_agree(
    value: float | None, pa: float | None, certainty: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Published(value_mm=value, pa_mm=pa, certainty=certainty, source="t")


def test_a_range_has_two_ends() -> None:
    with pytest.raises(ValueError, match=r"low=2.0 exceeds high=1.0"):
        PublishedRange(low=2.0, high=1.0, unit="%", certainty="certain", source="t")


def test_missing_numbers_are_unknown_and_other_rows_and_columns_are_refused() -> None:
    rows = {"a": TableRow(label="A", section="S"), "b": TableRow(label="B")}
    known = {("a", "P1"): Published(value_mm=1.0, pa_mm=1.0, certainty="certain", source="t")}
    table = PublishedTable(name="t", title="T", rows=rows, columns=("P1", "P2"), known=known)
    assert table.cell("a", "P1").certainty == "certain"
    assert table.cell("a", "P2") is UNKNOWN
    with pytest.raises(ValueError, match="row 'c' is not in the paper's table 't'"):
        table.cell("c", "P1")
    with pytest.raises(ValueError, match="column 'P3'"):
        PublishedTable(name="t", title="T", rows=rows, columns=("P1",), known={("a", "P3"): UNKNOWN})
