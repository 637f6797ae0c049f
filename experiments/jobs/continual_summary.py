"""The summary of a finished continual job: the table of strategies, and where the report is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from equipose.experiments.jobs.comparison_summary import wide_console
from equipose.orchestrator.continual.config import FINETUNE
from equipose.orchestrator.continual.job import FinishedContinual
from equipose.orchestrator.continual.record import strategy_numbers
from equipose.orchestrator.continual.tables import forgetting_table, strategies_table
from equipose.pipelines.tables.formats import to_rich

SHOWN = ("strategy", "final", f"Δ {FINETUNE}", "verdict", "learned", "forgetting", "kept", "time")
"""Columns that fit a terminal; the report has all."""


def print_continual(finished: FinishedContinual, out: Path, console: Console | None = None) -> None:
    """Print the strategies' main numbers, what each forgot, and where the report is."""
    console = console or wide_console()
    console.print(to_rich(strategies_table(finished.outcome).only(*SHOWN)))
    console.print(to_rich(forgetting_table(finished.outcome)))
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    report = Path(shown) / finished.report.relative_to(out)
    console.print(f"report: {report}\nlook at it: equipose ui {shown}", soft_wrap=True)


def outcome_json(finished: FinishedContinual) -> dict[str, Any]:
    """The numbers of every strategy, for scripts."""
    outcome = finished.outcome
    return {
        "report": str(finished.report),
        "fingerprint": outcome.fingerprint,
        "strategies": strategy_numbers(outcome),
    }
