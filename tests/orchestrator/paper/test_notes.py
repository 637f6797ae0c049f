"""What stands beside the numbers: how ours differs from the paper, AWC's strength, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_tables import small_paper

from equipose.balancing.methods.awc.awc import AWC
from equipose.orchestrator.paper.notes import counted, left_out, notes
from equipose.orchestrator.paper.plan import TABLES, PaperConfig


@pytest.fixture
def paper(store_path: Path) -> PaperConfig:
    """As long as the paper's, with AWC as in the paper."""
    config = small_paper(store_path)
    return replace(config, methods={**config.methods, "awc": AWC.Config(**AWC.published)})


def with_widths(config: PaperConfig, preset: str) -> PaperConfig:
    model = replace(config.base.model, preset=preset)  # type: ignore[arg-type]
    return replace(config, base=replace(config.base, model=model))


def test_notes_say_how_ours_differs(paper: PaperConfig) -> None:
    assert notes("modalities", with_widths(paper, "paper")) == []
    assert notes("modalities", paper) == ["Ours has the tiny widths, not the paper's."]
    assert any("MM-Fi baseline" in note for note in notes("main", paper))
    short = replace(paper, base=replace(paper.base, epochs=1))
    assert "Ours trains for 1 epoch, the paper for 50" in notes("alpha", short)[0]
    assert notes("window", short)[1].endswith("K = 30: 1; equal ones are the same run.")
    twelve = replace(paper, base=replace(paper.base, epochs=12))
    assert "K = 5: 1, K = 10: 2, K = 15: 4, K = 20: 5, K = 25: 6, K = 30: 7." in notes("window", twelve)[1]


def test_fusions_that_train_longer_are_named_where_they_are_shown(paper: PaperConfig) -> None:
    short = replace(paper, base=replace(paper.base, epochs=40), lengths={"attention": 3})
    said = {table: notes(table, short)[0] for table in TABLES}
    longer = "Ours trains for 40 epochs (attention fusion 120), the paper for 50; "
    assert {table for table in TABLES if said[table].startswith(longer)} == {"main", "cost"}
    assert all("(K = 20 is 16 epochs here)" in sentence for sentence in said.values())


@pytest.mark.parametrize("table", TABLES)
def test_another_split_than_the_papers_is_said(paper: PaperConfig, table: str) -> None:
    def said(config: PaperConfig) -> bool:
        return any("people who were not in training (S2)" in note for note in notes(table, config))

    assert not said(paper)
    assert said(replace(paper, columns={"P1": ("P1", "S2")}))


@pytest.mark.parametrize("table", sorted({*TABLES} - {"modalities"}))
def test_every_table_with_awc_says_its_strength(paper: PaperConfig, table: str) -> None:
    ratio = replace(paper, methods={**paper.methods, "awc": AWC.Config(ratio_s=0.4, free_epochs=2)})
    (published,) = (note for note in notes(table, paper) if "absolute weights" in note)
    (ours,) = (note for note in notes(table, ratio) if "ratio of gradients" in note)
    if table == "alpha":
        assert published == "AWC has absolute weights, as in the paper, in all tables."
        assert "a ratio of gradients in the other tables" in ours
    else:
        assert published == "AWC has absolute weights, as in the paper: αS 20k, αI 10k."
        assert "0.4 of the task's on strong sensors and 0 on the others, after 2 epochs of plain" in ours
        assert ours.endswith("The paper's absolute weights are in the table of strengths.")


def test_strengths_that_the_paper_has_not_are_shown_too(paper: PaperConfig) -> None:
    other = AWC.Config(**AWC.published, alpha_s=15e3)
    assert "AWC has absolute weights, as in the paper: 15k/10k." in notes(
        "main", replace(paper, methods={**paper.methods, "awc": other})
    )


def test_what_is_left_out_comes_with_the_option_that_asks_for_it(paper: PaperConfig) -> None:
    assert left_out(paper) == []
    (columns,) = left_out(replace(paper, other_columns=("P2", "P3")))
    assert columns.startswith("Left out of the main comparison: the columns P2 and P3. ")
    assert "--columns P1 P2 P3" in columns
    (column,) = left_out(replace(paper, other_columns=("P2",)))
    assert "the column P2." in column
    (methods,) = left_out(replace(paper, of_other_fusions=("plain", "awc")))
    assert "all methods but no balancing and AWC under MLP and attention fusion" in methods
    assert "--all-methods" in methods
    some = replace(
        paper, tables=("alpha", "window"), other_columns=("P2",), of_other_fusions=("plain", "awc")
    )
    (tables,) = left_out(some)
    assert tables.startswith("Left out: the tables main, cost, modalities and profit. ")
    assert "without --tables" in tables


def test_counts_are_words() -> None:
    assert (counted(1, "epoch"), counted(2, "epoch")) == ("1 epoch", "2 epochs")
