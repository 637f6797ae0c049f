"""What a trial of a sweep costs in CPU, by kind of process; training itself is a small part of a toy trial.

`python -m benchmarks trial_cost`, or `python -m benchmarks.load.trial_cost <trials>`: one ordinary sweep of
toy trials, two at a time, in a process of its own, whose descendants are looked at ten times a second. CPU
seconds are disturbed less by other work than those on the wall, though busy neighbours on a core may double
them: compare runs of one hour.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.process_table import Process, looks
from benchmarks.load.trials import EPOCHS, toy_store, toy_sweep

SWEEP = """
import sys
from pathlib import Path
from benchmarks.load.trials import toy_store, toy_sweep
from benchmarks.load.watch import CountingProgress
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.sweep.job import run_sweep_job

out, trials = Path(sys.argv[1]), int(sys.argv[2])
config = toy_sweep("cost", toy_store(out / "store"), trials=trials, concurrency=2)
progress = CountingProgress(trials, mode="lines")
with ray_session(), progress:
    run_sweep_job(config, JobLocation(out=out), progress)
"""
PAUSE = 0.1
"""Seconds between two looks; what a process does after the last look is not counted."""
TRIALS = 8
BESIDES_TRIALS = {"ray::CoalitionWorker", "ray::_AutoscalingCoordinatorActor", "ray::IDLE"}
"""Ray's processes of a sweep that it starts once, not for each trial."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU of all processes of one kind."""

    processes: int
    seconds: float


def kind_of(commands: Iterable[str]) -> str:
    """What to call a process that had these command lines; Ray renames its workers by what they do."""
    found = set(commands)
    actors = {
        match[0] for text in found if (match := re.match(r"ray::\w+", text)) and match[0] != "ray::IDLE"
    }
    if actors:
        return min(actors)
    return "ray::IDLE" if any(text.startswith("ray::IDLE") for text in found) else "other"


def costs(table: dict[int, float], names: dict[int, set[str]]) -> dict[str, Cost]:
    """Kind -> cost, from process id -> CPU seconds and process id -> its command lines, the dearest first."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for pid, cpu in table.items():
        seconds[kind_of(names[pid])].append(cpu)
    found = {kind: Cost(processes=len(cpu), seconds=sum(cpu)) for kind, cpu in seconds.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].seconds))


def watched_sweep(out: Path, trials: int) -> dict[str, Cost]:
    """Run the sweep and add up what its processes took; raises RuntimeError when it fails."""
    cpu: dict[int, float] = {}
    names: dict[int, set[str]] = defaultdict(set)
    arguments = [sys.executable, "-c", SWEEP, str(out), str(trials)]
    with (out / "log").open("w") as log, subprocess.Popen(arguments, stdout=log, stderr=log) as driver:
        for found in looks(driver, PAUSE):
            for process in found:
                _note(process, cpu, names)
    if driver.returncode:
        printed = (out / "log").read_text()[-2000:]
        raise RuntimeError(f"the sweep ended with status {driver.returncode}: {printed}")
    return costs(cpu, names)


def _note(process: Process, cpu: dict[int, float], names: dict[int, set[str]]) -> None:
    cpu[process.pid] = process.cpu_s
    names[process.pid].add(process.command)


def training_seconds(folder: Path) -> float:
    """CPU seconds that a trial of the sweep trains, in a process that has imported everything."""
    from equipose.orchestrator.training.build import build_training
    from equipose.orchestrator.training.loop import fit

    sweep = toy_sweep("cost", toy_store(folder / "store"), trials=TRIALS, concurrency=2)
    config = sweep.run_config(sweep.enqueued()[0])
    for _ in range(2):  # the first warms up
        began = time.process_time()
        for _ in fit(build_training(config)):
            pass
    return time.process_time() - began


def markdown(found: dict[str, Cost], trials: int, training: float) -> str:
    """A table, and what of it is outside training."""
    own = {
        kind: cost for kind, cost in found.items() if kind.startswith("ray::") and kind not in BESIDES_TRIALS
    }
    whole = sum(cost.seconds for cost in own.values()) / trials
    lines = [
        f"### A trial's CPU: {trials} toy trials of {EPOCHS} epochs, two at a time",
        "",
        "| process | started | CPU s | of one trial |",
        "|---|---|---|---|",
    ]
    for kind, cost in found.items():
        share = f"{cost.seconds / trials:.1f} s" if kind in own else ""
        lines.append(f"| {kind.removeprefix('ray::')} | {cost.processes} | {cost.seconds:.1f} | {share} |")
    outside = whole - training
    lines += ["", f"A trial: {whole:.1f} s, of which it trains {training:.1f} s: {outside:.1f} s outside."]
    return "\n".join(lines)


def main(trials: int = TRIALS) -> str:
    """Run the sweep in a temporary folder; Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "training"
        training = training_seconds(own)
        out = Path(folder) / "out"
        out.mkdir()
        return markdown(watched_sweep(out, trials), trials, training)


if __name__ == "__main__":
    print(main(*map(int, sys.argv[1:])))
