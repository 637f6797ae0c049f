"""The study is enough to resume from: nothing is lost, repeated or renamed when a driver dies."""

from __future__ import annotations

import pickle
import socket
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from equipose.models.build import ModelConfig
from equipose.orchestrator.failures import FailedSweepError
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.config import OBJECTIVE, SearchSpace, SweepConfig
from equipose.orchestrator.sweep.results import parameter_importance, sweep_table
from equipose.orchestrator.sweep.run import _tracked_point
from equipose.orchestrator.sweep.search import (
    StudySearch,
    failures,
    keep_failures,
    open_study,
    suggest_point,
    trials_left,
)
from equipose.orchestrator.sweep.trial import CONFIG, NUMBER, RUN, SweepLocation, searched, trial_name
from equipose.orchestrator.tracking.runs import Tracking
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_text

EPOCHS = 3


@pytest.fixture
def config() -> SweepConfig:
    return SweepConfig(
        name="search",
        base=TrainConfig(data=DataConfig(store="none"), model=ModelConfig(preset="tiny"), epochs=EPOCHS),
        paper_window=1,
        space=SearchSpace(window=(0, 2)),
        trials=8,
        resources=Resources(),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "optuna.db"


def driver(config: SweepConfig, database: Path) -> tuple[optuna.Study, StudySearch]:
    """What a driver holds that starts on the study now."""
    study = open_study(config, database)
    return study, StudySearch(study, lambda trial: suggest_point(trial, config.space), EPOCHS)


def run(search: StudySearch, trial_id: str, epochs: int, value: float = 100.0) -> dict[str, Any]:
    """Ask for a trial and report epochs of it, each a little better."""
    point = search.suggest(trial_id)
    for epoch in range(1, epochs + 1):
        search.on_trial_result(trial_id, {"epoch": epoch, OBJECTIVE: value - epoch})
    return point


def test_reference_points_come_first_then_the_sampler(config: SweepConfig, database: Path) -> None:
    _, search = driver(config, database)
    points = [search.suggest(f"t{i}") for i in range(8)]
    assert [p.pop(NUMBER) for p in points] == list(range(8))
    assert points[:6] == config.enqueued()
    for point in points[6:]:
        assert point not in config.enqueued()
        assert 0.03 <= point["strength"] <= 3.0
        assert 0 <= point["window"] <= 2


def test_a_trial_left_running_goes_on_under_its_number(config: SweepConfig, database: Path) -> None:
    _, killed = driver(config, database)
    first = run(killed, "a", EPOCHS)
    killed.on_trial_complete("a")
    left = [run(killed, "b", 1), run(killed, "c", 0)]
    study, resumed = driver(config, database)
    assert trials_left(study, config.trials) == 7
    assert [resumed.suggest("x"), resumed.suggest("y")] == left
    assert resumed.suggest("z")[NUMBER] == 3
    assert first[NUMBER] == 0
    for epoch in (1, 2, 3):  # a checkpoint may be older than the last report
        resumed.on_trial_result("x", {"epoch": epoch, OBJECTIVE: 100.0 - epoch})
    resumed.on_trial_complete("x")
    trial = study.trials[1]
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 97.0)
    assert trial.intermediate_values == {1: 99.0, 2: 98.0, 3: 97.0}


def test_a_driver_killed_while_asking_loses_no_reference_point(config: SweepConfig, database: Path) -> None:
    study = open_study(config, database)
    study.ask()  # the row is there, its parameters are not yet
    _, resumed = driver(config, database)
    points = [resumed.suggest(f"t{i}") for i in range(6)]
    assert [{k: v for k, v in p.items() if k != NUMBER} for p in points] == config.enqueued()


def test_stopped_early_counts_as_pruned(config: SweepConfig, database: Path) -> None:
    study, search = driver(config, database)
    run(search, "a", 1)
    search.on_trial_complete("a", {"epoch": 2, OBJECTIVE: 98.0})
    assert (study.trials[0].state, study.trials[0].value) == (TrialState.PRUNED, 98.0)
    assert trials_left(study, config.trials) == 7


def test_failed_trials_are_tried_again_once(config: SweepConfig, database: Path) -> None:
    study, search = driver(config, database)
    failed = run(search, "a", 1)
    search.on_trial_complete("a", error=True)
    assert study.trials[0].state == TrialState.FAIL
    for _ in range(2):  # resumed twice, queued once
        study, search = driver(config, database)
    points = [search.suggest(f"t{i}") for i in range(6)]
    again = [p for p in points if p["fusion"] == failed["fusion"] and p["window"] == failed["window"]]
    assert len(again) == 1
    assert again[0][NUMBER] == 6
    assert trials_left(study, config.trials) == 8


def test_a_diverged_trial_ends_like_any_other(config: SweepConfig, database: Path) -> None:
    study, search = driver(config, database)
    run(search, "a", EPOCHS, float("inf"))
    search.on_trial_complete("a")
    run(search, "b", EPOCHS)
    search.on_trial_complete("b")
    table = sweep_table(study)
    assert table.best["trial"] == trial_name(1)
    assert table.frame["state"].to_list() == ["done", "done"]


def test_table_best_and_plain(config: SweepConfig, database: Path) -> None:
    study, search = driver(config, database)
    for i, value in enumerate([100.0, 110.0, 90.0, 95.0]):
        run(search, str(i), EPOCHS if i else 2, value)
        search.on_trial_complete(str(i))
    run(search, "failed", 1, 1.0)
    search.on_trial_complete("failed", error=True)
    search.suggest("running")
    table = sweep_table(study)
    assert table.frame["state"].to_list() == ["stopped", "done", "done", "done", "failed"]
    assert table.frame["epochs"].to_list() == [2, 3, 3, 3, 1]
    assert (table.best["trial"], table.best[OBJECTIVE]) == ("trial-002", 87.0)
    assert list(table.compared) == ["awc", "plain"], "the better one first"
    assert {row["fusion"] for row in table.compared.values()} == {"mlp"}
    assert [row["trial"] for row in table.compared.values()] == ["trial-002", "trial-003"]
    assert table.compared["plain"]["window"] == 0
    assert {role: row["tries"] for role, row in table.compared.items()} == {"awc": 1, "plain": 1}
    assert len(table.finished) == 4, "a failed trial is never best, whatever it reached"


def test_importance_needs_four_different_trials(config: SweepConfig, database: Path) -> None:
    study, search = driver(config, database)
    for i in range(5):
        assert parameter_importance(study, 0) == {} or i > 3
        run(search, str(i), EPOCHS, 100.0 + i)
        search.on_trial_complete(str(i))
    shares = parameter_importance(study, 0)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares.keys() <= {"strength", "weak_share", "window", "fusion"}


def test_tune_may_pickle_and_save_it(config: SweepConfig, database: Path, tmp_path: Path) -> None:
    _, search = driver(config, database)
    search.save_to_dir(str(tmp_path))
    assert pickle.loads(pickle.dumps(search._study)).study_name == "search"


def test_why_trials_failed_is_kept_with_the_study(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    study = optuna.create_study(study_name="s", storage=url)
    assert failures(study) == {}
    keep_failures(study, {"trial-003": "memory ran out", "trial-001": "diverged"})
    keep_failures(study, {"trial-002": "diverged"})
    again = optuna.load_study(study_name="s", storage=url)
    assert list(failures(again).items()) == [
        ("trial-001", "diverged"),
        ("trial-002", "diverged"),
        ("trial-003", "memory ran out"),
    ]


def test_a_sweep_without_a_value_says_why() -> None:
    study = optuna.create_study()
    for _ in range(2):
        study.tell(study.ask(), state=TrialState.FAIL)
    keep_failures(study, {"trial-000": "diverged", "trial-001": "diverged"})
    with pytest.raises(FailedSweepError, match=r"all 2 failed \(trial-000, trial-001: diverged\)\. Fix"):
        _ = sweep_table(study).best


def test_without_a_server_a_trial_gets_its_point_alone(config: SweepConfig, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        location = SweepLocation(
            folder=JobFolder(out=tmp_path, kind="sweeps", name="s"),
            tracking=Tracking(uri=uri, experiment="none", parent_run="parent", tags={}, outbox="unused"),
        )
        trial = open_study(config, tmp_path / "optuna.db").ask()
        point = _tracked_point(trial, config=config, location=location)
    assert point[RUN] is None
    assert searched({**point, NUMBER: 0}) == config.enqueued()[0]
    assert from_text(point[CONFIG]) == config.run_config(config.enqueued()[0])
