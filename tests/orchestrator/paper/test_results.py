"""From finished runs to tables: means and spreads over seeds, links to all runs behind a number, verdicts."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from made_tables import AWC_GAIN_MM, CHECK_GAINS_MM, FRAMES, SUBJECTS, error_mm, finished, links, small_paper

from equipose.orchestrator.comparison.checks import CONVERGENCE
from equipose.orchestrator.paper.plan import Position
from equipose.orchestrator.paper.results import Finished, main_judgements, overview, paper_tables, rests_on
from equipose.pipelines.paper.awc import AWC_TABLES, FUSIONS
from equipose.pipelines.paper.table import PaperTable


@pytest.fixture
def done(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    return finished(small_paper(store_path, seeds=(0, 1, 2)), monkeypatch)


def table(done: Finished, name: str) -> PaperTable:
    return next(t for t in paper_tables(done, links) if t.name == name)


def test_every_table_stands_beside_the_published_one(done: Finished) -> None:
    tables = paper_tables(done, links)
    assert [t.name for t in tables] == list(AWC_TABLES)
    for found in tables:
        assert found.rows == AWC_TABLES[found.name].rows
        for position, cell in found.cells.items():
            runs = done.plan.get(Position(table=found.name, row=position[0], column=position[1]))
            assert (cell.ours is not None) == (runs is not None), position


def test_a_place_is_the_mean_over_seeds_and_leads_to_their_runs(done: Finished) -> None:
    cell = table(done, "main").cells["concat/awc", "P1", "mpjpe"]
    runs = done.plan[Position(table="main", row="concat/awc", column="P1")]
    errors = [error_mm(run) for run in runs]
    assert len(errors) == 3
    assert cell.ours is not None
    assert (cell.ours.mean, cell.ours.n) == (statistics.mean(errors), 3)
    assert cell.ours.std == statistics.stdev(errors) == 1.0
    assert cell.link == links(runs)
    assert cell.fingerprint == done.runs_folder.data(runs[0]).fingerprint
    half = table(done, "main").cells["concat/awc", "P1", "pa_mpjpe"].ours
    assert half is not None
    assert half.mean == cell.ours.mean / 2


def test_one_seed_has_no_spread(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = finished(small_paper(store_path, seeds=(0,), tables=("profit",)), monkeypatch)
    ours = table(alone, "profit").cells["mse", "P1", "mpjpe"].ours
    assert ours is not None
    assert (ours.std, ours.n) == (None, 1)


def test_captions_say_what_the_numbers_come_from(done: Finished) -> None:
    (group,) = table(done, "main").columns
    caption = group.caption
    assert (caption.title, caption.provenance, caption.protocol, caption.split) == (
        "P1", "simulated data", "P1", "S1",
    )  # fmt: skip
    assert caption.frames == FRAMES * len(SUBJECTS)


def test_costs_come_from_the_runs_with_awc(done: Finished) -> None:
    found = table(done, "cost")
    values = {
        key: cell.ours.mean for (row, _, key), cell in found.cells.items() if row == "mlp" and cell.ours
    }
    assert values == {"shapley_share": 12.5, "epoch_s": 4.0, "peak_memory_mib": 700.0}


def test_verdicts_of_every_fusion_are_linked(done: Finished) -> None:
    judgements = main_judgements(done)
    assert [one.outcome.setting.fusion for one in judgements] == list(FUSIONS)
    verdicts = overview(judgements, done, links)
    assert [(o.group, o.column, o.verdict, o.seeds) for o in verdicts] == [
        (label, "P1", "helped", 3) for label in FUSIONS.values()
    ]
    for fusion, found in zip(FUSIONS, verdicts, strict=True):
        assert found.difference_mm == pytest.approx(-AWC_GAIN_MM)
        position = Position(table="main", row=f"{fusion}/awc", column="P1")
        assert found.link == links(done.plan[position])


def test_without_the_main_table_nothing_is_judged(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = finished(small_paper(store_path, tables=("alpha",)), monkeypatch)
    assert main_judgements(alone) == ()
    assert overview((), alone, links) == []
    assert rests_on((), alone.config) == []


def test_what_verdicts_rest_on_is_said_of_every_fusion(done: Finished) -> None:
    said = rests_on(main_judgements(done), done.config)
    assert len(said) == len(FUSIONS)
    for label, sentence in zip(FUSIONS.values(), said, strict=True):
        assert sentence.startswith(f"{label}, P1. Convergence: converged: half as many epochs")
        assert "from 101.0 to 100.0 mm (-1.0 %" in sentence
        assert sentence.endswith("Headroom, all sensors: there is something to win: encoders trained alone, "
                                 "or a refitted head, do better.")  # fmt: skip


def test_without_convergence_nothing_helped(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECK_GAINS_MM, CONVERGENCE, 5.0)
    config = small_paper(store_path, seeds=(0, 1, 2), tables=("main",))
    started = finished(config, monkeypatch)
    verdicts = overview(main_judgements(started), started, links)
    assert [o.verdict for o in verdicts] == ["undecided"] * len(FUSIONS)
    assert {o.because for o in verdicts} == {"plain training has not converged"}
    unchecked = finished(replace(config, checks=False), monkeypatch)
    assert [o.verdict for o in overview(main_judgements(unchecked), unchecked, links)] == ["helped"] * 3
    assert rests_on(main_judgements(unchecked), unchecked.config) == []
