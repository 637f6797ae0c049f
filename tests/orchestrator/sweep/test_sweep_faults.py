"""Sweeps that are interrupted at every stage, killed, or several at once end with undisturbed numbers."""

from __future__ import annotations

import getpass
import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

Numbers = dict[str, dict[str, float]]
Points = dict[tuple[str, str], list[tuple[int, float]]]


def outcome(out: Path, name: str = "awc-simulated-smoke-001") -> dict[str, Any]:
    return json.loads((out / "sweeps" / name / "outcome.json").read_text())


def numbers(out: Path, name: str = "awc-simulated-smoke-001") -> Any:
    """A sweep's outcome without what depends on times and paths."""
    found = outcome(out, name)
    timed = ("time", "memory")
    trials = [{k: v for k, v in trial.items() if not k.startswith(timed)} for trial in found["trials"]]
    return {"trials": trials, **{k: found[k] for k in found if k not in ("trials", "checkpoints", "best")}}


def points(out: Path, name: str = "awc-simulated-smoke-001") -> Points:
    """(run, metric) -> (step, value) of all its points, read from the database."""
    query = """
        select r.name, m.key, m.step, m.value from metrics m join runs r using (run_uuid)
        where r.run_uuid in (select run_uuid from tags where key = 'sweep' and value = ?)
        and m.key not like 'time/%' and m.key not like 'memory/%' and m.key not like 'system/%'
    """
    with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as database:
        rows = database.execute(query, (name,)).fetchall()
    found: Points = {}
    for run, key, step, value in sorted(rows):
        found.setdefault(("parent" if run == name else run, key), []).append((step, value))
    return found


@pytest.fixture(scope="module")
def undisturbed(finished_sweep: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results folder of the smoke sweep, whose trials are all fixed, so that every number is."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    sweep = type(finished_sweep.killed)(out)
    try:
        assert sweep.ended() == 0, sweep.output
    finally:
        if sweep.process.poll() is None:
            os.killpg(sweep.process.pid, signal.SIGKILL)
    return out


def test_killed_sweep_ends_with_the_same_numbers(undisturbed: Path, finished_sweep: Any) -> None:
    assert numbers(finished_sweep.out) == numbers(undisturbed)
    assert points(finished_sweep.out) == points(undisturbed)


MOMENTS = [
    ("preparing", 1),
    ("starting Ray and MLflow", 2),
    ("training", 2),
    ("trial-000 running", 1),
    ("trial-002 running", 2),
    ("evaluating AWC", 2),
    ("drawing figures", 1),
]
"""What the sweep has just printed -> number of Ctrl-C."""


def test_interrupted_at_every_stage(
    undisturbed: Path, sweep_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")  # paths of sockets must be short
    out = tmp_path / "out"
    for i, (moment, times) in enumerate(MOMENTS):
        sweep = sweep_process(out, *(["--resume"] if i else []))
        sweep.wait_for(moment)
        for _ in range(times):
            os.killpg(sweep.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
            time.sleep(0.3)
        began = time.monotonic()
        assert sweep.ended(timeout=180) == 130, (moment, sweep.output)
        print(f"{moment}: {times} times, ended {time.monotonic() - began:.1f} s later")
        assert "Traceback" not in sweep.output, (moment, sweep.output)
        assert sweep.output.splitlines()[-1] == "equipose: interrupted; finished work is kept"
        assert "--resume" in sweep.output
        assert sweep.survivors(patience=60) == {}, moment
        left = {path.name for path in scratch.iterdir()} - {f"torchinductor_{getpass.getuser()}"}
        assert left == set(), moment  # the other is torch's cache, one per user
    sweep = sweep_process(out, "--resume")
    assert sweep.ended() == 0, sweep.output
    assert numbers(out) == numbers(undisturbed)
    assert points(out) == points(undisturbed)
    assert [path.name for path in (out / "sweeps").iterdir()] == ["awc-simulated-smoke-001"]
    assert not list(out.rglob(".equipose-*"))
    assert not list((out / "sweeps").glob("*/outbox/**/*.jsonl"))


def test_sweeps_started_at_once(undisturbed: Path, sweep_process: Any, tmp_path: Path) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"
    sweeps = [sweep_process(out) for out in (shared, shared, other)]
    assert [sweep.ended(timeout=1200) for sweep in sweeps] == [0, 0, 0], [s.output for s in sweeps]
    first, second = "awc-simulated-smoke-001", "awc-simulated-smoke-002"
    for out, name in ((shared, first), (shared, second), (other, first)):
        assert numbers(out, name) == numbers(undisturbed)
        assert points(out, name) == points(undisturbed)
    assert len(list(shared.glob("stores/simulated-*"))) == 1
    for sweep in sweeps:
        assert sweep.survivors(patience=60) == {}
