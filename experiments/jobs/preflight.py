"""Checks before every job: what the doctor finds, and how many runs fit this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from equipose.orchestrator.doctor.checks import Check, Wanted
    from equipose.orchestrator.doctor.examine import Examination
    from equipose.orchestrator.training.config import TrainConfig

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def wanted_by(base: TrainConfig, *, workers: int, gpu: bool) -> Wanted:
    """What a job needs whose runs all vary `base`."""
    from equipose.orchestrator.doctor.checks import Wanted
    from equipose.orchestrator.ray_train.sizing import gib_of_worker

    return Wanted(
        workers=workers,
        gpu=gpu,
        worker_gib=gib_of_worker(base, gpu=gpu),
        sensors=base.data.batch.modalities,
        batch_size=base.data.batch.batch_size,
    )


def report(found: Examination, wanted: Wanted, limit: int = 10_000) -> None:
    """Print the checks and the settings that fit; exit with status 1 if there are problems."""
    print_checks(found.checks)
    print(fitting(found, wanted, limit))
    if found.problems:
        raise SystemExit(1)


def fitting(found: Examination, wanted: Wanted, limit: int) -> str:
    """The settings that jobs would choose here, on one line."""
    try:
        runs, resources = found.fitting(wanted, limit)
    except ValueError as error:
        return f"nothing fits: {error}"
    many = "run" if runs == 1 else "runs"
    worker = "worker" if resources.workers == 1 else "workers"
    each = f"each {resources.workers} {worker} of {resources.cpus_per_worker:g} CPUs"
    return f"fits here: {runs} {many} at a time, {each}{' and a GPU' if wanted.gpu else ''}"


def stop_at_problems(out: Path, wanted: Wanted) -> None:
    """Raise ValueError with every problem and its remedy; print warnings to stderr."""
    from equipose.orchestrator.doctor.examine import examine

    found = examine(out, wanted)
    if found.problems:
        listed = " | ".join(map(str, found.problems))
        raise ValueError(f"this would not work: {listed} (`equipose doctor` shows all checks)")
    for check in found.checks:
        if check.status == "warning":
            print(f"equipose: warning: {check}", file=sys.stderr)


def stop_at_absent_sensors(base: TrainConfig) -> None:
    """Raise DataError for a sensor without a valid frame; print a warning for one with many invalid ones."""
    from equipose.orchestrator.training.data import RunData

    for doubt in RunData.open(base.data).doubts(base.data.batch.modalities):
        print(f"equipose: warning: {doubt}", file=sys.stderr)


def print_checks(checks: Iterable[Check]) -> None:
    """One line per check: status, finding, remedy."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for check in checks:
        colour = COLOURS[check.status]
        remedy = f"\n[bold]{_plain(check.remedy)}[/bold]" if check.remedy else ""
        table.add_row(f"[{colour}]{check.status}[/{colour}]", check.name, _plain(check.found) + remedy)
    Console().print(table)


def _plain(text: str) -> str:
    """Text that rich prints literally."""
    return text.replace("[", r"\[")
