"""Strategies take turns, each in a study of its own, and the studies are enough to resume from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from equipose.orchestrator.failures import FailedSweepError
from equipose.orchestrator.line_sweep.search import RANDOM, TurnTaking
from equipose.orchestrator.line_sweep.trial import SEARCH, searched, trial_name
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig, validation_so_far
from equipose.orchestrator.stream_sweep.results import StreamSweepOutcome, outcome_of, tuned_name
from equipose.orchestrator.sweep.search import open_study
from equipose.orchestrator.sweep.trial import NUMBER

LENGTH = 3


def driver(config: StreamSweepConfig, folder: Path) -> tuple[dict[str, optuna.Study], TurnTaking]:
    """What a driver holds that starts on the studies now."""
    studies = {one.name: open_study(one, folder / "optuna.db", RANDOM) for one in config.searches()}
    return studies, TurnTaking(config, studies, lambda point: point)


def learnt(turns: TurnTaking, trial_id: str, value: float, tasks: int = LENGTH) -> dict[str, Any]:
    """Ask for a trial and report tasks of it; it ends if those are all."""
    point = turns.suggest(trial_id)
    assert point is not None
    for task in range(1, tasks + 1):
        turns.on_trial_result(trial_id, {"epoch": task, OBJECTIVE: value + task - tasks})
    if tasks == LENGTH:
        turns.on_trial_complete(trial_id)
    return point


def test_all_get_their_number_and_start_as_they_are(sweep: Callable[..., Any], tmp_path: Path) -> None:
    _, turns = driver(sweep(trials=3), tmp_path)
    points = [point for i in range(7) if (point := turns.suggest(f"t{i}")) is not None]
    assert turns.suggest("t7") is None
    names = [point[SEARCH] for point in points]
    assert sorted(names) == ["ewc"] * 3 + ["finetune"] + ["replay"] * 3
    first = {point[SEARCH]: searched(point) for point in points if point[NUMBER] == 0}
    assert first == {"finetune": {}, "ewc": {"ewc.strength": 1e5}, "replay": {"replay.beta": 1.0}}
    for point in points:
        if point[SEARCH] == "ewc":
            assert 1e2 <= point["ewc.strength"] <= 1e7


def test_a_killed_driver_loses_no_trial(sweep: Callable[..., Any], tmp_path: Path) -> None:
    config = sweep(trials=2)
    _, killed = driver(config, tmp_path)
    done, left = learnt(killed, "a", 90.0), learnt(killed, "b", 80.0, tasks=1)
    studies, turns = driver(config, tmp_path)
    assert turns.left == 4
    points = [learnt(turns, f"t{i}", 70.0) for i in range(4)]
    assert left in points
    assert done not in points
    assert all(
        [trial.state for trial in study.trials] == [TrialState.COMPLETE] * (1 if name == "finetune" else 2)
        for name, study in studies.items()
    )


def outcome(config: StreamSweepConfig, folder: Path) -> StreamSweepOutcome:
    studies, turns = driver(config, folder)
    values = {("ewc", 0): 100.0, ("ewc", 1): 80.0, ("replay", 0): 60.0, ("replay", 1): np.inf}
    for number in range(turns.left):
        trial_id = f"t{number}"
        point = turns.suggest(trial_id)
        assert point is not None
        value = values.get((point[SEARCH], point[NUMBER]), 110.0)
        turns.on_trial_result(trial_id, {"epoch": LENGTH, OBJECTIVE: value})
        turns.on_trial_complete(trial_id)
    return outcome_of(config, studies, "simulated data")


def test_the_best_of_every_strategy_stands_beside_its_own_setting(
    sweep: Callable[..., Any], tmp_path: Path
) -> None:
    found = outcome(sweep(trials=2), tmp_path)
    best = {row["strategy"]: row for row in found.best.iter_rows(named=True)}
    assert list(best) == ["replay", "ewc", "finetune"]
    assert (best["ewc"]["trial"], best["ewc"]["own_mm"], best["ewc"]["gain_mm"]) == ("ewc-001", 100.0, 20.0)
    assert best["ewc"]["dials"].startswith("ewc:strength=")
    assert (best["replay"]["gain_mm"], best["replay"]["tries"]) == (0.0, 1)
    assert set(found.trials["state"]) == {"done", "diverged"}
    diverged = [trial for trial in found.to_json()["trials"] if trial["state"] == "diverged"]
    assert [trial[OBJECTIVE] for trial in diverged] == [None]


def test_without_any_number_the_remedy_is_named(sweep: Callable[..., Any], tmp_path: Path) -> None:
    studies, _ = driver(sweep(), tmp_path)
    with pytest.raises(FailedSweepError, match="--resume"):
        _ = outcome_of(sweep(), studies, "simulated data").best


def test_names() -> None:
    assert trial_name("noisy nis+ewc", 3) == "noisy-nis-ewc-003"
    assert tuned_name("noisy random+l2", {"nis.threshold": 2.0}) == "noisy random:threshold=2+l2"


@dataclass
class Ended:
    """A run with a history."""

    history: tuple[dict[str, float], ...]


def test_every_task_counts_alike_in_the_objective() -> None:
    last = {"task/E01/val/mpjpe_mm": 90.0, "task/E02/val/mpjpe_mm": 60.0, "val/mpjpe_mm": 30.0, "x": 7.0}
    assert validation_so_far(Ended((last,))) == 60.0  # type: ignore[arg-type]
    assert validation_so_far(Ended(({"best/mpjpe_mm": np.inf},))) == np.inf  # type: ignore[arg-type]
