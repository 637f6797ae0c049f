"""The published numbers are those of the methods reference, and no others."""

from __future__ import annotations

import re

import pytest

from equipose.pipelines.paper.awc import (
    ALPHAS,
    AWC_TABLES,
    COST,
    MAIN,
    PROFITS,
    SUBSETS,
    WINDOWS,
    alpha_row,
    main_row,
    window_row,
)
from equipose.pipelines.paper.published import CERTAINTIES, UNKNOWN, Published, PublishedRange, PublishedTable

PRINTED = {
    "main": """
        mmfi P1 72.90/47.70
        mmfi P3 89.80/63.20
        concat/plain P1 53.87/35.09
        concat/plain P2 52.08/-
        concat/plain P3 48.17/32.18
        concat/g_blending P1 58.40/37.20
        concat/g_blending P3 53.13/33.28
        concat/ogm_ge P1 55.51/35.92
        concat/ogm_ge P3 51.68/32.84
        concat/agm P1 55.80/38.10
        concat/agm P3 53.88/36.30
        concat/modality_resampling P1 53.24/34.81
        concat/modality_resampling P3 53.98/31.85
        concat/awc P1 51.16/34.46
        concat/awc P2 50.71/30.85
        concat/awc P3 47.55/31.79
        attention/plain P1 53.35/35.20
        attention/plain P3 49.97/32.33
        attention/awc P1 51.29/34.65
        attention/awc P3 49.08/32.10
    """,
    "modalities": """
        R P1 63.61/35.75
        L P1 66.95/45.70
        M P1 102.89/52.21
        W P1 166.92/97.39
        RL P1 52.93/34.96
        RLMW P1 53.87/35.09
    """,
    "alpha": """
        0/0 P1 53.87/35.09
        0/10k P1 52.92/34.94
        10k/0 P1 52.09/34.81
        10k/10k P1 51.88/34.84
        20k/10k P1 51.16/34.46
        20k/20k P1 51.69/34.84
        30k/20k P1 51.34/34.56
    """,
    "window": "K20 P1 51.16/34.46",
    "profit": "pearson P1 51.16/34.46",
}


def listed(table: PublishedTable) -> set[str]:
    """`row column mpjpe/pa` for every place with a number."""

    def shown(number: float | None) -> str:
        return "-" if number is None else f"{number:.2f}"

    cells = {(row, column): table.cell(row, column) for row in table.rows for column in table.columns}
    return {
        f"{row} {column} {shown(cell.value_mm)}/{shown(cell.pa_mm)}"
        for (row, column), cell in cells.items()
        if isinstance(cell, Published) and cell != UNKNOWN
    }


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_known_numbers_are_exactly_the_recovered_ones(name: str) -> None:
    expected = {line.strip() for line in PRINTED[name].strip().splitlines()}
    assert listed(AWC_TABLES[name]) == expected


def test_certainties() -> None:
    assert MAIN.cell("concat/awc", "P1").certainty == "certain"
    assert {MAIN.cell(f"concat/{m}", "P2").certainty for m in ("plain", "awc")} == {"single source"}
    assert "about 5 mm" in MAIN.cell("concat/modality_resampling", "P1").note
    assert {SUBSETS.cell(letter, "P1").certainty for letter in "RLMW"} == {"conflict"}
    for letter, other in {"R": "57.37", "L": "76.58", "M": "165.98", "W": "162.47"}.items():
        assert other in SUBSETS.cell(letter, "P1").note
    assert SUBSETS.cell("RL", "P1").certainty == "certain"
    assert ALPHAS.cell("10k/0", "P1").certainty == "single source"
    assert PROFITS.cell("pearson", "P1").certainty == "inferred"


def texts() -> list[str]:
    """Every word that a reader of the tables gets to see."""
    found = [*CERTAINTIES.values()]
    for table in AWC_TABLES.values():
        found += [table.title, *table.notes]
        for row in table.rows.values():
            found += [row.label, row.section]
        for cell in table.known.values():
            found += [cell.source, cell.note, cell.certainty]
    return found


def test_readers_see_words_and_no_codes_of_sources() -> None:
    assert len(texts()) > 100
    for text in texts():
        assert not re.search(r"\bN\d+\b|famil(y|ies)|[βγ]|\bsummar", text), text
    sources = {cell.source for table in AWC_TABLES.values() for cell in table.known.values()}
    assert all(source.startswith("table") for source in sources), sources


def test_the_window_and_mlp_rows_are_unknown() -> None:
    assert [WINDOWS.cell(f"K{k}", "P1") == UNKNOWN for k in (5, 10, 15, 20, 25, 30)] == [True] * 3 + [
        False,
        True,
        True,
    ]
    mlp = [row for row in MAIN.rows if row.startswith("mlp/")]
    assert len(mlp) == 8
    assert all(MAIN.cell(row, column) == UNKNOWN for row in mlp for column in MAIN.columns)


def test_cost_is_known_as_ranges() -> None:
    found = {}
    for fusion in COST.rows:
        cell = COST.cell(fusion, "training")
        assert isinstance(cell, PublishedRange)
        found[fusion] = (cell.low, cell.high, cell.unit)
    assert found == {
        "concat": (0.41, 0.93, "%"),
        "mlp": (0.41, 0.93, "%"),
        "attention": (3.5, 5.4, "%"),
    }


def test_row_keys_are_found_from_settings() -> None:
    assert main_row("concat", "awc") in MAIN.rows
    assert {"R", "RW", "RLMW"} < set(SUBSETS.rows)
    assert len(SUBSETS.rows) == 15
    assert alpha_row(20_000, 10_000) == "20k/10k"
    assert {alpha_row(0, 0), alpha_row(0.0, 1e4), alpha_row(30_000, 20_000)} < set(ALPHAS.rows)
    assert window_row(20) in WINDOWS.rows
