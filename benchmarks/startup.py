"""Where start-up goes: the command's help, the modules that each kind of process imports, Ray and MLflow.

`python -m benchmarks startup`; CPU seconds of one fresh process each, which a busy machine disturbs less than
those on the wall.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from equipose.experiments.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = {
    "task of a grid": "equipose.orchestrator.grid.run_all",
    "trial of a sweep": "equipose.orchestrator.sweep.trial",
    "controller of Ray Train": "equipose.orchestrator.ray_train.run",
    "worker of Ray Train": "equipose.orchestrator.ray_train.worker",
    "driver of a comparison": "equipose.orchestrator.comparison.job",
    "driver of a sweep": "equipose.orchestrator.sweep.job",
}
"""Kind of process -> what it imports before it does its work."""
SESSION = """
import sys, time
from pathlib import Path
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.jobs.session import job_session

began = time.monotonic()
folder = JobFolder(out=Path(sys.argv[1]), kind="train", name="startup")
with job_session(folder, "startup", key="startup", tags={}, params={}):
    took = time.monotonic() - began
    closing = time.monotonic()
print(took, time.monotonic() - closing)
"""
"""Opens a job that does nothing; prints the seconds until Ray, MLflow and its run are there, and to close."""


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one Python process."""
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def session_seconds() -> tuple[float, float, float]:
    """Seconds on the wall of a job that does nothing: until it is open, to close, and from start to exit."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", SESSION, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        whole = time.monotonic() - began
    opened, closed = map(float, done.stdout.split())
    return opened, closed, whole


def processes() -> dict[str, list[str]]:
    """What is timed -> arguments of Python."""
    helps = [["--help"], *([verb, "--help"] for verb in COMMANDS)]
    commands = {f"`equipose {' '.join(words)}`": ["-m", "equipose.experiments", *words] for words in helps}
    imports = {f"{kind}: import {name}": ["-c", f"import {name}"] for kind, name in IMPORTED.items()}
    return {"Python alone": ["-c", ""], **commands, **imports}


def medians(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Name -> median over interleaved rounds."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def main(rounds: int = 3) -> str:
    """Two Markdown tables: CPU seconds of single processes, and seconds until a job is open."""
    measures = {
        name: lambda arguments=arguments: cpu_seconds(arguments) for name, arguments in processes().items()
    }
    lines = ["### Start-up", "", "| process | CPU seconds, median |", "|---|---|"]
    lines += [f"| {name} | {seconds:.2f} |" for name, seconds in medians(measures, rounds).items()]
    sessions = list(zip(*(session_seconds() for _ in range(rounds)), strict=True))
    lines += ["", "| a job that does nothing | seconds on the wall, median |", "|---|---|"]
    names = ("until Ray and MLflow are up and its run is open", "to close", "from start to exit")
    lines += [f"| {name} | {statistics.median(s):.1f} |" for name, s in zip(names, sessions, strict=True)]
    return "\n".join(lines)
