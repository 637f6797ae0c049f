"""The summary of a finished sweep of an alignment: its trials, the test, and how to train what was found."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rich.console import Console

from equipose.experiments.jobs.comparison_summary import wide_console
from equipose.experiments.presets.unihpe.sweep import AlignSweepOptions
from equipose.orchestrator.unihpe.sweep.job import FinishedAlignSweep, budget
from equipose.orchestrator.unihpe.sweep.tables import BEST_OF, gains_table, trials_table
from equipose.pipelines.tables.formats import to_rich


def print_alignment(
    finished: FinishedAlignSweep, options: AlignSweepOptions, out: Path, console: Console | None = None
) -> None:
    """Print what was searched, the trials, the test, and the command that trains the best setting."""
    console, outcome = console or wide_console(), finished.outcome
    for name, value in budget(outcome.search).items():
        console.print(f"{name}: {value}", soft_wrap=True, markup=False, highlight=False)
    console.print(to_rich(trials_table(outcome)))
    if outcome.tuned:
        console.print(to_rich(gains_table(outcome)))
        where = ["--store", options.store] if options.store else []
        words = ["equipose", "train", "--work", "unihpe", *where, "--preset", options.preset]
        words += ["--override", *options.override, *outcome.search.overrides]  # of two, the last counts
        console.print(f"train it: {shlex.join(words)}", soft_wrap=True, markup=False, highlight=False)
    else:
        console.print("no setting has done better than the default one on the validation part")
    console.print(f"[dim]{outcome.search.provenance}; {BEST_OF}[/dim]")
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    report = Path(shown) / finished.report.relative_to(out)
    console.print(f"report: {report}\nlook at it: equipose ui {shown}", soft_wrap=True, highlight=False)
