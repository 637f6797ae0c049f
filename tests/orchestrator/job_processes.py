"""Jobs as processes of their own, as from a shell, and what they start and leave."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from equipose.orchestrator.host import alive

SCRIPTS = Path(__file__).parents[2] / "experiments"


class SweepProcess:
    """`awc_sweep.py --preset smoke` as from a shell: in its own process group, output in a file."""

    script = SCRIPTS / "awc_sweep.py"

    def __init__(self, out: Path, *options: str) -> None:
        self.log = out.parent / f"{out.name}-{time.monotonic_ns()}.log"
        environment = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")}
        command = [
            sys.executable,
            str(self.script),
            "--preset",
            "smoke",
            "--out",
            str(out),
            *options,
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self.descendants: dict[int, str] = {}

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self.log.read_text()

    def wait_for(self, pattern: str, timeout: float = 300) -> None:
        """Until a line matches; fails when the process ends or time runs out first."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.output):
            assert self.process.poll() is None, f"ended before {pattern!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {pattern!r} in time:\n{self.output}"
            self._look()
            time.sleep(0.1)

    def ended(self, timeout: float = 500) -> int:
        """Exit status, once it has ended."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            self._look()
            time.sleep(0.2)
        assert self.process.poll() is not None, f"still running:\n{self.output}"
        return int(self.process.returncode)

    def _look(self) -> None:
        """Note the running processes; a zombie has no command line any more."""
        found = descendants(self.process.pid)
        self.descendants |= {p: name for p, name in found.items() if name or p not in self.descendants}

    def survivors(self, patience: float, besides: str = "nothing") -> dict[int, str]:
        """Processes it started that still run after `patience` seconds, except those named `besides`."""
        deadline = time.monotonic() + patience
        while left := {p: n for p, n in self.descendants.items() if besides not in n and alive(p)}:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return left


class SmallSweepProcess(SweepProcess):
    """The same for `small_sweep.py`: four trials instead of six."""

    script = Path(__file__).with_name("sweep") / "small_sweep.py"


class ComparisonProcess(SweepProcess):
    """The same for `compare_methods.py`."""

    script = SCRIPTS / "compare_methods.py"


class TablesProcess(SweepProcess):
    """The same for `paper_tables.py`."""

    script = SCRIPTS / "paper_tables.py"


class ContinualProcess(SweepProcess):
    """The same for `continual_streams.py`."""

    script = SCRIPTS / "continual_streams.py"


class UnihpeProcess(SweepProcess):
    """The same for `unihpe_stages.py`."""

    script = SCRIPTS / "unihpe_stages.py"


def in_this_process(command: Callable[..., None], **options: object) -> str:
    """What a verb prints that runs in this process, with the Ray that it has."""
    shown = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
    ):
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        command(**options)
    return shown.getvalue()


def descendants(pid: int) -> dict[int, str]:
    """Process id -> command line of everything below a process."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")[:120]
            except (FileNotFoundError, ProcessLookupError):
                continue
            waiting.append(child)
    return found


def checkpoint_files(out: Path) -> dict[Path, int]:
    """Every checkpoint of a results folder with its time of change (ns)."""
    return {path: path.stat().st_mtime_ns for path in out.glob("sweeps/*/train/*/*/checkpoint_*/state.pt")}


def runs_by_name(out: Path) -> dict[str, str]:
    """Name -> id of every run in a results folder that has a key, read from the database."""
    query = (
        "select runs.name, runs.run_uuid from runs join tags using (run_uuid) where tags.key='equipose.key'"
    )
    with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as database:
        rows = database.execute(query).fetchall()
    assert len({name for name, _ in rows}) == len(rows), f"a trial has two runs: {rows}"
    return dict(rows)
