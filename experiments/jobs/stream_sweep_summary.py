"""The summary of a finished sweep of streams: every strategy's best setting, and how to learn with them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table

from equipose.experiments.jobs.comparison_summary import wide_console
from equipose.orchestrator.stream_sweep.config import OBJECTIVE
from equipose.orchestrator.stream_sweep.results import StreamSweepOutcome

CAVEAT = (
    "one seed per setting, and the best of several tries looks better than it is: a gain here is no "
    "evidence. Compare the settings with fresh seeds:"
)


def print_streams(outcome: StreamSweepOutcome, out: Path, console: Console | None = None) -> None:
    """Print the best setting of every strategy beside its own, and the command that compares them."""
    console = console or wide_console()
    console.print(best_table(outcome))
    console.print(f"[dim]{outcome.provenance}; {CAVEAT}[/dim]")
    names = [row["dials"] for row in outcome.best.iter_rows(named=True) if row["strategy"] != "finetune"]
    console.print(f"equipose continual --strategies {shlex.join(names)}", soft_wrap=True, markup=False)
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    console.print(
        f"results: {shown} (sweep {outcome.config.name})\nlook at it: equipose ui {shown}", soft_wrap=True
    )


def best_table(outcome: StreamSweepOutcome) -> Table:
    """The best trial of every strategy, best first; errors in mm on the validation parts."""
    table = Table(title=f"Streams on {outcome.provenance}: error on all tasks after the last, validation, mm")
    for column in ("strategy", "best setting", "error", "own setting", "gain", "tries"):
        table.add_column(column, justify="left" if column in ("strategy", "best setting") else "right")
    for row in outcome.best.iter_rows(named=True):
        known = row["own_mm"] is not None
        table.add_row(
            row["strategy"],
            row["dials"],
            f"{row[OBJECTIVE]:.1f}",
            f"{row['own_mm']:.1f}" if known else "-",
            f"{row['gain_mm']:.1f}" if known else "-",
            str(row["tries"]),
        )
    return table
