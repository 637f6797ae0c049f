"""A sweep of an alignment from the command line: killed inside a trial and resumed, it repeats nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from job_processes import SweepProcess, runs_by_name

pytestmark = [pytest.mark.system, pytest.mark.slow]

OPTIONS = ("--work", "unihpe", "--objective", "retrieval", "--dials", "alpha", "tau")
TRIALS = {"alignment-000", "alignment-001"}


def test_killed_and_resumed_it_ends_with_every_trial_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = SweepProcess(out, *OPTIONS)
    job.wait_for("alignment-00[01] running epoch 1/2")
    os.killpg(job.process.pid, signal.SIGKILL)
    job.process.wait()
    assert job.survivors(patience=60, besides="Agent") == {}
    kept = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    assert kept, "the driver was killed before a stage had ended"
    again = SweepProcess(out, "--work", "unihpe", "--resume")
    assert again.ended() == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    root = out / "sweeps" / "alignment-simulated_indoor-smoke-001"
    outcome = json.loads((root / "outcome.json").read_text())
    assert {trial["trial"] for trial in outcome["trials"]} == TRIALS
    assert {trial["state"] for trial in outcome["trials"]} == {"done"}
    assert (outcome["trials_left"], outcome["judged_by"]) == (0, "image>pose, retrieved")
    tuned = set(outcome["test_mpjpe_mm"]) - {"default"}
    finals = {f"{name} s0 {stage}" for name in ("default", *tuned) for stage in ("1 pose pairs", "2 image")}
    assert set(runs_by_name(out)) == {root.name, *TRIALS, *finals}
    runs = 1 + 2 + 1 + 1 + len(tuned)
    assert len(list(out.glob("cells/*/result.json"))) == runs, "first stages are shared"
    page = (root / "report.html").read_text()
    assert "Simulated data" in page
    assert "2 trials of 2 stages" in page
    assert "Trials, by the error of image&gt;pose (retrieved)" in page
