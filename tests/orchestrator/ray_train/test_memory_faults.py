"""Commands whose workers Ray ends for lack of memory, and a sweep whose every trial diverges: one line each.

Ray watches the memory of the whole machine. With a limit of a thousandth of it, Ray ends every worker.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(900)]

ALWAYS_FULL = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}


def equipose(*options: str, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")}
    command = [sys.executable, "-m", "equipose.experiments", *options, "--out", str(out), "--preset", "smoke"]
    return subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, check=False, timeout=800
    )


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--method", "plain"),
        ("sweep",),
        ("compare", "--methods", "plain", "--seeds", "1", "--no-alone", "--budget", "1"),
        ("tables", "--tables", "profit", "--seeds", "1"),
    ],
    ids=lambda command: command[0],
)
def test_lack_of_memory_is_one_line_with_settings_to_change(command: tuple[str, ...], tmp_path: Path) -> None:
    ended = equipose(*command, out=tmp_path / "out", **ALWAYS_FULL)
    line = last_line(ended)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    expected = r"equipose: .*failed.*memory ran out \([\d.]+GB used / [\d.]+GB limit\): let fewer"
    assert re.match(expected, line), line
    for remedy in ("EQUIPOSE_CONCURRENT=1", "batch_size", "--workers", "--plan", "fix the cause"):
        assert remedy in line.replace("Fix", "fix")


def test_settings_that_diverge_are_trained_once_per_trial(tmp_path: Path) -> None:
    ended = equipose("sweep", "--override", "optimizer.lr=1e30", out=tmp_path / "out")
    line = last_line(ended)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "all 6 failed (trial-000, trial-001, trial-002 and 3 more: DivergedError" in line
    notes = tmp_path.glob("out/sweeps/*/given-up/trial-*")
    assert len(list(notes)) == 6
