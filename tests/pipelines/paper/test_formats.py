"""The written tables hold exactly what is known: ours, the paper's, the difference, and their origin."""

from __future__ import annotations

import io
from dataclasses import replace

import polars as pl
import pytest

from equipose.pipelines.paper.awc import COST
from equipose.pipelines.paper.formats import (
    SIMULATED_NOTE,
    is_real,
    paper_csv,
    paper_frame,
    paper_latex,
    paper_markdown,
)
from equipose.pipelines.paper.table import (
    RESULT_COLUMNS,
    SHAPLEY_SHARE,
    ColumnGroup,
    Metric,
    PaperTable,
    paper_table,
)
from equipose.pipelines.tables.table import Caption

MARKDOWN = r"""A table by hand. P1. simulated data; protocol P1, split S1; 40 frames; no root alignment, mm; mean ± std (seeds); fingerprint f1.

| configuration | MPJPE (mm) | MPJPE, paper | MPJPE, Δ | PA-MPJPE (mm) | PA-MPJPE, paper | PA-MPJPE, Δ |
|---|---:|---:|---:|---:|---:|---:|
| Concat: plain | <u>[60.50 ± 1.25 (3)](http://host/runs/1)</u> | 53.87 ‡ | +6.63 | [40.00 (1)](http://host/runs/1) | unknown | – |
| Concat: + AWC | **[52.00 ± 0.50 (3)](http://host/runs/2)** | unknown | – | not run | unknown | – |

Ours: mean ± standard deviation (seeds). Δ: ours minus the paper's, for errors negative is better.

The data are not all real recordings, so Δ says nothing about the published result.

‡ conflict: descriptions of the paper contradict each other, so it may be wrong.

unknown: the paper's number was not recovered.

plain (Concat): Another reading says 57.

A note.
"""  # noqa: E501
LATEX = r"""\begin{table}
\centering
\caption{A table by hand. P1. simulated data; protocol P1, split S1; 40 frames; no root alignment, mm; mean $\pm$ std (seeds); fingerprint f1.}
\label{tab:hand-p1}
\begin{tabular}{lrrrrrr}
\toprule
configuration & MPJPE (mm) & MPJPE, paper & MPJPE, $\Delta$ & PA-MPJPE (mm) & PA-MPJPE, paper & PA-MPJPE, $\Delta$ \\
\midrule
Concat: plain & \underline{60.50 $\pm$ 1.25 (3)} & 53.87$^{\ddagger}$ & +6.63 & 40.00 (1) & unknown & -- \\
Concat: + AWC & \textbf{52.00 $\pm$ 0.50 (3)} & unknown & -- & not run & unknown & -- \\
\bottomrule
\end{tabular}
"""  # noqa: E501
CSV = """table,section,row,column,metric,ours,ours_std,seeds,published,published_low,published_high,difference,certainty,source,note,link,provenance,protocol,split,frames,alignment,fingerprint
hand,Concat,plain,P1,MPJPE (mm),60.5,1.25,3,53.87,,,6.630000000000003,conflict,table 1,Another reading says 57.,http://host/runs/1,simulated data,P1,S1,40,"no root alignment, mm",f1
hand,Concat,plain,P1,PA-MPJPE (mm),40.0,,1,,,,,unknown,table 1,Another reading says 57.,http://host/runs/1,simulated data,P1,S1,40,"no root alignment, mm",f1
hand,Concat,+ AWC,P1,MPJPE (mm),52.0,0.5,3,,,,,unknown,"","",http://host/runs/2,simulated data,P1,S1,40,"no root alignment, mm",f1
hand,Concat,+ AWC,P1,PA-MPJPE (mm),,,,,,,,unknown,"","",,simulated data,P1,S1,40,"no root alignment, mm",f1
"""  # noqa: E501


def test_markdown(hand_table: PaperTable) -> None:
    assert paper_markdown(hand_table) == MARKDOWN


def test_latex(hand_table: PaperTable) -> None:
    text = paper_latex(hand_table)
    assert text.startswith(LATEX)
    assert text.isascii()


def test_csv(hand_table: PaperTable) -> None:
    assert paper_csv(hand_table) == CSV
    back = pl.read_csv(io.StringIO(paper_csv(hand_table)))
    assert back["ours"].to_list() == [60.5, 40.0, 52.0, None]


def test_hostile_names_stay_text(hand_table: PaperTable) -> None:
    rows = {key: replace(row, label=r"\input{x}|<b>") for key, row in hand_table.rows.items()}
    hostile = replace(hand_table, rows=rows)
    assert r"Concat: \\input{x}\|\<b\>" in paper_markdown(hostile)
    assert r"\textbackslash{}input\{x\}" in paper_latex(hostile)


def test_ranges_and_our_own_columns() -> None:
    caption = Caption(
        title="P1", provenance="real data", protocol="P1", split="S1", frames=40, fingerprint="f1"
    )
    seconds = Metric(key="time", label="time per epoch", unit="s", decimals=1)
    group = ColumnGroup(name="training", caption=caption, metrics=(SHAPLEY_SHARE, seconds))
    results = pl.DataFrame(
        [
            ("concat", "training", "shapley_share", 0.7, None, 1, "http://host/1", "f1"),
            ("concat", "training", "time", 3.0, None, 1, "http://host/1", "f1"),
        ],
        schema=list(RESULT_COLUMNS),
        orient="row",
    )
    table = paper_table(COST, [group], results)
    text = paper_markdown(table)
    header = "| configuration | Shapley share (%) | Shapley share, paper | Shapley share, Δ |"
    assert f"{header} time per epoch (s) |" in text
    assert "| 0.41–0.93 § | – | [3.0 (1)](http://host/1) |" in text
    assert SIMULATED_NOTE not in text
    assert paper_frame(table)["published_high"].to_list()[:2] == [0.93, None]


@pytest.mark.parametrize(
    ("label", "real"),
    [
        ("real data", True),
        ("Real data (MM-Fi)", True),
        ("simulated data", False),
        ("real and simulated data", False),
        ("really simulated", False),
        ("MM-Fi", False),
    ],
)
def test_only_what_says_so_is_real(label: str, real: bool) -> None:
    assert is_real(label) is real
