"""Tables say what was measured, rank what is printed, escape names, and never mix two data sets."""

from __future__ import annotations

import io
from dataclasses import replace

import polars as pl
import pytest
from rich.console import Console

from equipose.pipelines.statistics.comparison import method_errors
from equipose.pipelines.tables.formats import latex_escaped, to_csv, to_frame, to_latex, to_markdown, to_rich
from equipose.pipelines.tables.results_table import results_table, score_rows
from equipose.pipelines.tables.table import Caption, Cell, Column, Table, mark_of, ranked

CAPTION = Caption(
    title="Balancing methods, concat fusion",
    provenance="simulated data (simulated:1)",
    protocol="P1",
    split="S1",
    frames=1200,
    fingerprint="a1b2c3",
)
SCORES = pl.DataFrame(
    [
        ("plain", "RL", 90.04, 1.25, 3, "a1b2c3"),
        ("plain", "PCK", 55.0, 1.0, 3, "a1b2c3"),
        ("OGM_GE & co", "RL", 85.26, 0.95, 3, "a1b2c3"),
        ("OGM_GE & co", "PCK", 60.0, 1.0, 3, "a1b2c3"),
        ("AWC", "RL", 85.34, None, 1, "a1b2c3"),
    ],
    schema=["method", "column", "mean", "std", "n", "fingerprint"],
    orient="row",
)
COMPARISON = pl.DataFrame(
    {
        "method": ["OGM_GE & co", "AWC"],
        "difference_mm": [-4.78, 0.04],
        "low_mm": [-6.0, float("nan")],
        "high_mm": [-3.1, float("nan")],
        "p_holm": [0.004, float("nan")],
        "verdict": ["helped", "undecided"],
        "underpowered": [False, True],
    }
)
COSTS = pl.DataFrame(
    {"method": ["plain", "AWC"], "parameters (M)": [1.25, 1.25], "peak memory (MB)": [812, None]}
)


@pytest.fixture
def table() -> Table:
    return results_table(SCORES, CAPTION, comparison=COMPARISON, costs=COSTS, higher_is_better=["PCK"])


def test_the_cells_show_mean_deviation_seeds_and_differences(table: Table) -> None:
    assert table.header == ("method", "RL", "PCK", "Δ plain", "verdict", "parameters (M)", "peak memory (MB)")
    shown = [[cell.shown for cell in row] for row in table.rows]
    assert shown[0] == ["plain", "90.0 ± 1.2 (3)", "55.0 ± 1.0 (3)", "–", "–", "1.2", "812"]
    assert shown[1][1:5] == ["85.3 ± 0.9 (3)", "60.0 ± 1.0 (3)", "−4.8 [−6.0, −3.1]", "helped"]
    assert shown[2] == ["AWC", "85.3 (1)", "–", "0.0", "undecided", "1.2", "–"]
    assert [row[3].mark for row in table.rows] == ["", "**", "†"]


def test_places_follow_the_printed_value_and_its_direction(table: Table) -> None:
    assert [row[1].rank for row in table.rows] == ["second", "best", "best"]
    assert [row[2].rank for row in table.rows] == ["second", "best", ""]
    assert ranked({"a": Cell(value=1.0), "b": Cell(value=1.01)})["a"].rank == ""
    assert ranked({"a": Cell(value=float("nan")), "b": Cell(value=1.0)})["b"].rank == ""


def test_the_caption_says_what_the_numbers_are(table: Table) -> None:
    for text in (to_markdown(table), to_latex(table), rendered(table)):
        for part in ("simulated data", "P1", "S1", "1200 frames", "no root alignment, mm", "a1b2c3"):
            assert part in " ".join(text.split())


def rendered(table: Table, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(to_rich(table))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_two_fingerprints_never_share_a_table() -> None:
    other = SCORES.with_columns(
        fingerprint=pl.when(pl.col("method") == "AWC").then(pl.lit("ffff")).otherwise("fingerprint")
    )
    with pytest.raises(ValueError, match=r"two fingerprints in one table: \['a1b2c3', 'ffff'\]"):
        results_table(other, CAPTION)
    with pytest.raises(ValueError, match="two fingerprints"):
        results_table(SCORES, replace(CAPTION, fingerprint="ffff"))
    missing = SCORES.with_columns(fingerprint=pl.lit(None, pl.String))
    with pytest.raises(ValueError, match="two fingerprints"):
        results_table(missing, CAPTION)


@pytest.mark.parametrize("name", ["title", "provenance", "protocol", "split", "fingerprint", "alignment"])
def test_captions_are_complete(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is empty"):
        replace(CAPTION, **{name: " "})
    with pytest.raises(ValueError, match="frames=0"):
        replace(CAPTION, frames=0)


def test_scores_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"lack the columns \['std'\]"):
        results_table(SCORES.drop("std"), CAPTION)
    with pytest.raises(ValueError, match="two scores for one cell"):
        results_table(pl.concat([SCORES, SCORES.head(1)]), CAPTION)
    with pytest.raises(ValueError, match="a row has 1 cells, the header 2"):
        Table(caption=CAPTION, columns=(Column(name="a"), Column(name="b")), rows=((Cell(),),))
    for name in ("RL", "frames"):
        with pytest.raises(ValueError, match=rf"columns \['{name}'\] are there twice"):
            results_table(SCORES, CAPTION, costs=COSTS.rename({"parameters (M)": name}))


def test_markdown(table: Table) -> None:
    lines = to_markdown(table).splitlines()
    assert lines[3] == "|---|---:|---:|---:|---:|---:|---:|"
    assert lines[4].startswith("| plain | <u>90.0 ± 1.2 (3)</u> |")
    ogm = r"| OGM\_GE & co | **85.3 ± 0.9 (3)** | **60.0 ± 1.0 (3)** | −4.8 \[−6.0, −3.1\] \*\* | helped |"
    assert lines[5].startswith(ogm)
    assert "Holm-corrected" in to_markdown(table)
    assert "Holm" not in to_markdown(results_table(SCORES, CAPTION))


def test_latex_is_booktabs_and_escaped(table: Table) -> None:
    text = to_latex(table, "tab:awc")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrrrrrr}", r"\label{tab:awc}"):
        assert text.count(part) == 1
    assert r"OGM\_GE \& co & \textbf{85.3 $\pm$ 0.9 (3)}" in text
    assert r"$-$4.8 [$-$6.0, $-$3.1]$^{**}$" in text
    assert r"0.0$^{\dagger}$" in text
    assert text.isascii()
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()
    lengths = {line.replace(r"\&", "").count("&") for line in body if line.endswith(r"\\")}
    assert lengths == {len(table.header) - 1}
    with pytest.raises(ValueError, match="label="):
        to_latex(table, "tab}{")


def test_latex_escapes_every_special_character() -> None:
    assert latex_escaped("50%_{a}") == r"50\%\_\{a\}"
    assert latex_escaped("\\^~#$&") == r"\textbackslash{}\textasciicircum{}\textasciitilde{}\#\$\&"


def test_csv_keeps_the_numbers_and_their_context(table: Table) -> None:
    back = pl.read_csv(io.StringIO(to_csv(table)))
    assert back["RL"].to_list() == [90.04, 85.26, 85.34]
    assert back["RL std"].to_list() == [1.25, 0.95, None]
    assert back["Δ plain low"][1] == -6.0
    assert back["Δ plain mark"].to_list() == [None, "**", "†"]
    assert back["fingerprint"].unique().to_list() == ["a1b2c3"]
    assert "verdict n" not in back.columns
    assert to_frame(table)["method"].to_list() == ["plain", "OGM_GE & co", "AWC"]


def test_the_terminal_shows_all_of_it(table: Table) -> None:
    text = rendered(table)
    assert "OGM_GE & co" in text
    assert "−4.8 [−6.0, −3.1] **" in text
    shown = to_rich(table)
    assert [str(cell.style) for cell in shown.columns[1].cells] == ["underline", "bold", "bold"]


@pytest.mark.parametrize(
    ("p", "weak", "mark"),
    [
        (0.0005, False, "***"),
        (0.005, False, "**"),
        (0.04, True, "*†"),
        (0.05, False, ""),
        (float("nan"), True, "†"),
    ],
)
def test_marks(p: float, weak: bool, mark: str) -> None:
    assert mark_of(p, weak) == mark


def test_scores_come_from_the_statistics() -> None:
    errors = pl.DataFrame(
        {
            "method": ["plain"] * 2,
            "seed": [0, 1],
            "cluster": ["S01"] * 2,
            "error_sum_mm": [100.0, 120.0],
            "count": [1, 1],
        }
    )
    table = results_table(score_rows(method_errors(errors), "all", "a1b2c3"), CAPTION)
    assert table.rows[0][1].shown == "110.0 ± 14.1 (2)"


def test_a_vanishing_negative_difference_has_no_sign() -> None:
    assert Cell(value=-0.04, signed=True).shown == "0.0"
    assert Cell(value=0.06, signed=True).shown == "+0.1"
    assert Cell(value=float("inf")).shown == "–"


def test_a_range_stands_without_a_value() -> None:
    cell = Cell(interval=(0.41, 0.9))
    assert (cell.shown, cell.blank) == ("0.41–0.9", False)
    assert Cell(text="unknown").blank


def test_rows_under_headings_are_named_in_full(table: Table) -> None:
    headed = replace(table, sections=("Concat", "Concat", ""))
    assert [row[0].shown for row in headed.named_rows] == ["Concat: plain", "Concat: OGM_GE & co", "AWC"]
    assert [row[0].shown for row in headed.rows] == ["plain", "OGM_GE & co", "AWC"]
    with pytest.raises(ValueError, match="1 sections for 3 rows"):
        replace(table, sections=("Concat",))


def test_some_columns_alone_keep_their_cells_and_order(table: Table) -> None:
    last, first = table.header[-1], table.header[0]
    some = table.only(last, first)
    assert some.header == (last, first)
    assert [row[::-1] for row in some.rows] == [(row[0], row[-1]) for row in table.rows]
    with pytest.raises(ValueError, match=r"no columns \['speed'\]; there are"):
        table.only("speed")
