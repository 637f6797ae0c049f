"""A trial trains its stages, and the settings found are tested: on real runs of a tiny model, without Ray."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from line_trials import Log, kept, reports

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.grid.run_one import RunsFolder, work_on
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.line_sweep import trial
from equipose.orchestrator.line_sweep.search import TurnTaking
from equipose.orchestrator.sweep.search import open_study
from equipose.orchestrator.sweep.trial import NUMBER, RUN
from equipose.orchestrator.unihpe.results import collect
from equipose.orchestrator.unihpe.sweep.config import OBJECTIVE, SEARCH, AlignSweepConfig
from equipose.orchestrator.unihpe.sweep.job import line_state
from equipose.orchestrator.unihpe.sweep.results import AlignSweepOutcome, search_outcome
from equipose.orchestrator.unihpe.sweep.tables import sweep_tables
from tests.orchestrator.aligned_runs import triplet_store

POINT = {NUMBER: 1, RUN: "run", trial.SEARCH: SEARCH, "objective.alpha": 0.5, "later.tau": 0.1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return triplet_store(tmp_path_factory.mktemp("triplets") / "store")


def test_stages_are_trained_reported_under_their_names_and_not_repeated(
    sweep: Callable[..., Any], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sweep(store=store)
    told = reports(config, tmp_path, monkeypatch, POINT)
    [last] = [
        result
        for path in kept(tmp_path)
        if (result := RunResult.load(path.parent)) and getattr(result.config.model, "decoders", ())
    ]
    assert [position for position, _ in told] == [1, 2, 3]
    assert all(math.isnan(value) for _, value in told[:2])
    assert told[2][1] == last.history[-1]["subset/P/mpjpe_mm"]
    assert Log.points[OBJECTIVE, 5] == told[2][1]
    assert [step for name, step in Log.points if name == OBJECTIVE] == [5]
    assert {"pose-pairs/train/loss/pair", "image/train/loss/triplet", "decoders/train/loss/decode/pose"} <= {
        name for name, _ in Log.points
    }
    assert not [*tmp_path.glob("cells/*/test*"), *tmp_path.glob("cells/*/aligned*")], "no test part is read"
    before = kept(tmp_path)
    other = reports(config, tmp_path, monkeypatch, {**POINT, NUMBER: 2, "later.tau": 0.5})
    assert other[2] != told[2]
    assert len(kept(tmp_path)) == len(before) + 2, "the first stage is trained once"
    assert before.items() <= kept(tmp_path).items()


def searched(config: AlignSweepConfig, folder: Path, values: tuple[float, ...]) -> dict[str, optuna.Study]:
    """The study of a search whose trials have had these errors."""
    [search] = config.searches()
    studies = {SEARCH: open_study(search, folder / "optuna.db", 2)}
    turns = TurnTaking(config, studies, lambda point: point)
    for number, value in enumerate(values):
        turns.suggest(f"t{number}")
        for stage in range(1, config.length + 1):
            told = value if stage == config.length else math.nan
            turns.on_trial_result(f"t{number}", {"epoch": stage, OBJECTIVE: told})
        turns.on_trial_complete(f"t{number}")
    return studies


def test_the_best_setting_is_tested_beside_the_default(
    sweep: Callable[..., Any], store: Path, tmp_path: Path
) -> None:
    config = sweep(store=store, trials=3, variant={"last": 2}, dials=("alpha", "tau"))
    config = replace(config, job=replace(config.job, seeds=(0, 1)))
    search = search_outcome(config, searched(config, tmp_path, (200.0, 150.0, math.inf)), "simulated data")
    assert (search.best_trial, search.best["own_mm"][0], search.best["gain_mm"][0]) == (
        "alignment-001", 200.0, 50.0,
    )  # fmt: skip
    finals = config.finals(search.best_trial, search.values[search.best_trial])
    runs = RunsFolder(root=tmp_path / "cells", resources=Resources())
    results = {spec.name: work_on(spec, runs) for spec in finals.specs()}
    outcome = AlignSweepOutcome(search=search, test=collect(finals, results, runs), frames=12)
    gains = {gain.route: gain for gain in outcome.gains()}
    one = gains["image>pose"]
    assert one.gains_mm == tuple(a - b for a, b in zip(one.default_mm, one.tuned_mm, strict=True))
    assert len(one.gains_mm) == 2
    tables = sweep_tables(outcome)
    assert list(tables)[:2] == ["gains", "settings"]
    rows = [[cell.shown for cell in row] for row in tables["settings"].rows]
    assert [row[:2] for row in rows] == [
        ["alignment-001", "done"], ["alignment-000", "done, default"], ["alignment-002", "diverged"],
    ]  # fmt: skip
    assert rows[0][-1] == "150.0"
    assert all(text.startswith(("objective.alpha=", "later.tau=")) for text in search.overrides)
    plain = outcome.to_json()
    assert set(plain["test_mpjpe_mm"]) == {"default", "tuned alignment-001"}
    assert plain["test_mpjpe_mm"]["default"]["image>pose"] == list(one.default_mm)
    assert plain["judged_by"] == "image>pose, retrieved"


def test_where_the_default_is_best_nothing_is_compared(sweep: Callable[..., Any], tmp_path: Path) -> None:
    config = sweep(trials=2)
    search = search_outcome(config, searched(config, tmp_path, (100.0, 150.0)), "simulated data")
    assert search.overrides == []
    assert config.finals(search.best_trial, search.values[search.best_trial]).methods == ("default",)


def test_a_line_of_stages_is_shown_as_one(sweep: Callable[..., Any], store: Path) -> None:
    first, *others = sweep(store=store).job.specs()
    last, length = others[-1], len(others) + 1
    assert line_state(first, "waiting", length) == ("waiting", 0)
    assert line_state(last, "waiting", length) is None, "its first stage has said so"
    assert line_state(first, "kept", length) == ("waiting", 1)
    assert line_state(first, "running", length) == ("running", 0)
    assert line_state(first, "done", length) == ("running", 1)
    assert line_state(last, "running", length) == ("running", length - 1)
    assert line_state(last, "failed", length) == ("failed", length - 1)
    assert line_state(last, "done", length) == line_state(last, "kept", length) == ("done", length)
