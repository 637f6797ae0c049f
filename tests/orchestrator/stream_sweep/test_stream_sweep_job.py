"""A sweep of streams from the command line: killed inside a trial and resumed, it repeats nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from job_processes import SweepProcess, runs_by_name

pytestmark = [pytest.mark.system, pytest.mark.slow]

OPTIONS = ("--work", "continual", "--tasks", "E01", "E02", "--strategies", "ewc", "--trials", "2")
TRIALS = {"finetune-000", "ewc-000", "ewc-001"}


def test_killed_and_resumed_it_ends_with_every_trial_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = SweepProcess(out, *OPTIONS)
    job.wait_for("ewc-000 running epoch 1/2")
    os.killpg(job.process.pid, signal.SIGKILL)
    job.process.wait()
    assert job.survivors(patience=60, besides="Agent") == {}
    kept = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    assert kept, "the driver was killed before a task had ended"
    again = SweepProcess(out, "--work", "continual", "--resume")
    assert again.ended() == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    root = out / "sweeps" / "streams-simulated-smoke-001"
    outcome = json.loads((root / "outcome.json").read_text())
    assert {trial["trial"] for trial in outcome["trials"]} == TRIALS
    assert {trial["state"] for trial in outcome["trials"]} == {"done"}
    assert outcome["trials_left"] == 0
    assert set(runs_by_name(out)) == {root.name, *TRIALS}
    assert len(list(out.glob("cells/*/result.json"))) == 1 + 1 + 2, "the first task is shared"
    assert not list(out.glob("cells/*/test*")), "no test part is read"
    assert "equipose continual --strategies ewc:strength=" in again.output
