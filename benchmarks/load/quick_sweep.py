"""How a newcomer's first sweep passes: when the first epoch ends, what the two cores do, what is announced.

`python -m benchmarks quick_sweep`, or `python -m benchmarks.load.quick_sweep <option> ...` with other
options of `equipose sweep`: one sweep as it is started from a shell, its lines read as they come, its
processes looked at five times a second.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.process_table import KINDS, looks
from equipose.orchestrator.cluster.machine import allowed_cores
from equipose.orchestrator.jobs.estimate import ENDED
from equipose.orchestrator.jobs.progress import WORTH_SAYING

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "awc_sweep.py"
PAUSE = 0.2
"""Seconds between two looks; what a process does after the last look is not counted."""
WORKER = KINDS["ray::RayTrainWorker"]
LEFT = re.compile(r"about (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)? left")
FIRST_EPOCH, STARTED = re.compile(r" epoch [1-9]\d*/"), " running "


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One sweep; times in seconds from the command on."""

    lines: Sequence[tuple[float, str]]
    """What it printed, and when."""
    looks: Sequence[tuple[float, dict[str, float]]]
    """Kind of process -> CPU seconds until then, ended processes included."""
    wall: float


def announced_left(line: str) -> float | None:
    """Seconds that a line of progress says are left.

    >>> announced_left("[1/4 trials, 2 running, 21s elapsed, about 1m05s left]"), announced_left("done")
    (65.0, None)
    """
    found = LEFT.search(line)
    if not found:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def first(lines: Iterable[tuple[float, str]], pattern: str | re.Pattern[str]) -> float | None:
    """When a pattern first appears."""
    return next((when for when, line in lines if re.search(pattern, line)), None)


def last_end(lines: Iterable[tuple[float, str]]) -> float | None:
    """When the last trial ended."""
    return max(
        (when for when, line in lines if any(f" {state} epoch " in line for state in ENDED)), default=None
    )


def watched(options: Sequence[str], out: Path) -> Passed:
    """Run a sweep into `out`. Raises RuntimeError when it fails."""
    lines: list[tuple[float, str]] = []
    taken: list[tuple[float, dict[str, float]]] = []
    seen: dict[int, tuple[str, float]] = {}
    command = [sys.executable, str(SCRIPT), "--out", str(out), *options]
    began = time.monotonic()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as sweep:
        reader = threading.Thread(
            target=lambda: lines.extend((time.monotonic() - began, line) for line in sweep.stdout or ())
        )
        reader.start()
        for found in looks(sweep, PAUSE):
            for process in found:
                kind = WORKER if seen.get(process.pid, ("",))[0] == WORKER else process.kind
                seen[process.pid] = (kind, process.cpu_s)
            cpu: dict[str, float] = defaultdict(float)
            for kind, seconds in seen.values():
                cpu[kind] += seconds
            taken.append((time.monotonic() - began, dict(cpu)))
        wall = time.monotonic() - began
        reader.join()
    if sweep.returncode:
        raise RuntimeError(f"the sweep ended with status {sweep.returncode}: {lines[-20:]}")
    return Passed(lines=lines, looks=taken, wall=wall)


def share_of_cores(passed: Passed, cores: int) -> float:
    """CPU of the training workers over all that the cores have while trials run."""
    start, end = first(passed.lines, STARTED), last_end(passed.lines)
    if start is None or end is None:
        raise RuntimeError("no trial started and ended")
    spent = [cpu.get(WORKER, 0.0) for when, cpu in passed.looks if start <= when <= end]
    return (spent[-1] - spent[0]) / (cores * (end - start))


def markdown(passed: Passed, cores: int) -> str:
    """A table, and how far the announced time left was off."""
    ratios = [
        (when, left / (passed.wall - when))
        for when, line in passed.lines
        if (left := announced_left(line)) is not None and passed.wall - when > WORTH_SAYING
    ]
    epoch = first(passed.lines, FIRST_EPOCH)
    rows = {
        "whole command": f"{passed.wall:.0f} s",
        "first epoch ended after": "never" if epoch is None else f"{epoch:.0f} s",
        f"training workers' share of {cores} cores while trials run": f"{share_of_cores(passed, cores):.0%}",
    }
    end = last_end(passed.lines)
    if end is not None:
        rows["from the last trial's end to the summary"] = f"{passed.wall - end:.0f} s"
    if ratios:
        when, ratio = ratios[0]
        values = [value for _, value in ratios]
        rows["first announcement of the time left"] = f"after {when:.0f} s, {ratio:.2f} of what was left"
        rows["all announcements"] = f"{min(values):.2f} to {max(values):.2f} of what was left"
    lines = ["### A sweep from its command to its summary", "", "| what | measured |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", "| process | CPU s |", "|---|---|"]
    final = passed.looks[-1][1]
    lines += [f"| {kind} | {final[kind]:.0f} |" for kind in sorted(final, key=lambda kind: -final[kind])]
    return "\n".join(lines)


def main(*options: str) -> str:
    """Run the sweep of the embedded data in a temporary folder; Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return markdown(watched(options, Path(folder)), allowed_cores())


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
