"""What must hold when a sweep has ended: no trial lost, one run each, every point once, nothing left."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import optuna
from optuna.trial import TrialState

from benchmarks.load.process_table import below, processes
from equipose.models.sensors import DEFAULT_SENSORS, subset_name
from equipose.orchestrator.sweep.trial import trial_name

Found = TypeVar("Found")
Histories = dict[str, list[int]]
"""Metric -> the steps of its points, in order."""
ALWAYS = (
    "train/loss",
    "val/mpjpe_mm",
    "val/pa_mpjpe_mm",
    "best/mpjpe_mm",
    *(f"shapley/{modality}" for modality in DEFAULT_SENSORS),
    *(
        f"subset/{subset_name(mask, DEFAULT_SENSORS)}/mpjpe_mm"
        for mask in range(1, 2 ** len(DEFAULT_SENSORS))
    ),
)
"""Metrics that every epoch of every trial has."""
IN_WINDOW = ("fisher/", "method/", "train/loss/awc")
"""Metrics that AWC's epochs have alone."""


PER_SESSION = "_AutoscalingCoordinatorActor"
"""The one actor that Ray Train keeps for the whole session."""


def trial_problems(trials: Iterable[tuple[int, TrialState]], wanted: int) -> list[str]:
    """What is wrong with a study's trials (number, state): each of `wanted` is complete or pruned."""
    states = dict(trials)
    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    problems = [f"trial {n} is {state.name}" for n, state in states.items() if state not in finished]
    missing = sorted(set(range(wanted)) - set(states))
    return problems + [f"trial {n} is lost" for n in missing] + _unless(len(states) <= wanted, "extra trials")


def history_problems(
    name: str, histories: Histories, *, epochs: int, window: int, free: int = 0
) -> list[str]:
    """What is wrong with the metrics of a run that has reported `epochs` epochs, `window` of them with AWC.

    free: epochs before those.

    A trial that ASHA stopped may have logged epochs that Tune had not heard of; they must be whole as well.
    """
    logged = len(histories.get("val/mpjpe_mm", []))
    problems = [f"{name} has no {key}" for key in ALWAYS if key not in histories]
    problems += _unless(logged >= epochs, f"{name} has {logged} of {epochs} epochs")
    for key, steps in histories.items():
        first, end = (free, free + window) if key.startswith(IN_WINDOW) else (0, logged)
        expected = list(range(first, min(end, logged)))
        problems += _unless(steps == expected, f"{name}: {key} has steps {steps}, expected {expected}")
    return problems


def run_problems(runs: Iterable[tuple[str, str]], wanted: int) -> list[str]:
    """What is wrong with the runs (name, status) of a sweep's trials: one each, ended."""
    names = [name for name, _ in runs]
    problems = [f"{name} is {status}" for name, status in runs if status != "FINISHED"]
    for number in range(wanted):
        count = names.count(trial_name(number))
        problems += _unless(count == 1, f"{trial_name(number)} has {count} runs")
    return problems + _unless(len(names) <= wanted, f"{len(names)} runs for {wanted} trials")


def sweep_problems(out: Path, name: str, trials: int) -> list[str]:
    """Everything that is wrong with a finished sweep, read from its two databases; empty when all is well."""
    root = out / "sweeps" / name
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{root / 'optuna.db'}")
    found = study.get_trials(deepcopy=False)
    problems = trial_problems(((trial.number, trial.state) for trial in found), trials)
    with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as database:
        runs = read_runs(database, name)
        problems += run_problems(runs.values(), trials)
        by_name = {run_name: run_id for run_id, (run_name, _) in runs.items()}
        for trial in found:
            run_id = by_name.get(trial_name(trial.number), "")
            problems += history_problems(
                trial_name(trial.number),
                read_histories(database, run_id),
                epochs=trial.user_attrs.get("epoch", 0),
                window=int(trial.params["window"]),
                free=read_free_epochs(database, run_id),
            )
    spooled = [str(path) for path in root.glob("outbox/**/*.jsonl")]
    return problems + [f"{path} was not delivered" for path in spooled]


def read_runs(database: sqlite3.Connection, sweep: str) -> dict[str, tuple[str, str]]:
    """Run id -> (name, status) of a sweep's trials."""
    query = """
        select run_uuid, name, status from runs
        where run_uuid in (select run_uuid from tags where key = 'sweep' and value = ?)
        and run_uuid in (select run_uuid from tags where key = 'mlflow.parentRunId')
    """
    return {run: (name, status) for run, name, status in database.execute(query, (sweep,))}


def read_histories(database: sqlite3.Connection, run_id: str) -> Histories:
    """The points of one run, twice where they are there twice."""
    histories: Histories = {}
    query = "select key, step from metrics where run_uuid = ? order by key, step"
    for key, step in database.execute(query, (run_id,)):
        histories.setdefault(key, []).append(step)
    return histories


def read_free_epochs(database: sqlite3.Connection, run_id: str) -> int:
    """Epochs of one run before AWC's window; 0 for a run that is not there."""
    query = "select value from params where run_uuid = ? and key = 'method.free_epochs'"
    found = database.execute(query, (run_id,)).fetchone()
    return int(found[0]) if found else 0


def left_in_ray() -> dict[str, int]:
    """What the Ray session still holds for somebody: placement groups and living actors."""
    import ray
    from ray.util.state import list_actors

    groups: Mapping[str, Mapping[str, str]] = ray.util.placement_group_table()
    held = [group for group in groups.values() if group["state"] != "REMOVED"]
    here = ray.get_runtime_context().gcs_address  # other Rays may run on this machine
    alive = list_actors(here, filters=[("state", "=", "ALIVE")], limit=1000)
    return {"placement groups": len(held), "actors": sum(a.class_name != PER_SESSION for a in alive)}


def left_processes() -> dict[int, str]:
    """Process id -> command of everything below this process, unless it has ended (no command)."""
    return {p.pid: p.command[:120] for p in below(os.getpid(), processes()) if p.command}


def settled(look: Callable[[], Found], done: Callable[[Found], bool], patience: float) -> Found:
    """What `look` shows once `done` says so, or after `patience` seconds: ends take a moment."""
    deadline = time.monotonic() + patience
    while not done(found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _unless(good: bool, problem: str) -> list[str]:
    return [] if good else [problem]
