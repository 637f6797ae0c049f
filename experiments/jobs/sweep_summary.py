"""The summary of a finished sweep: the best setting, whether balancing helped, where the files are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from equipose.orchestrator.evaluation.report_formats import report_line
from equipose.orchestrator.sweep.config import OBJECTIVE, SweepConfig
from equipose.orchestrator.sweep.results import SweepOutcome

UNDERPOWERED = (
    "one seed per setting: differences of this size can be chance, and the best of many trials looks "
    "better than it is. `equipose compare` gives every method equal tries and several seeds."
)


def print_summary(
    outcome: SweepOutcome, config: SweepConfig, out: Path, console: Console | None = None
) -> None:
    """Print the trials, the best setting beside plain training, and where the files are."""
    console = console or Console()
    console.print(trials_table(outcome))
    best = outcome.table.best
    console.print(f"best: [bold]{setting_line(best)}[/bold], validation MPJPE {best[OBJECTIVE]:.1f} mm")
    console.print(verdict_line(outcome.table.compared))
    console.print(f"[dim]{outcome.provenance}; {UNDERPOWERED}[/dim]")
    for role, report in outcome.test.items():
        console.print(f"test ({role}, {outcome.trials[role]}): {report_line(report)}")
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    console.print(f"results: {shown} (sweep {config.name})\nlook at it: equipose ui {shown}")


def verdict_line(compared: dict[str, dict[str, Any]]) -> str:
    """AWC against plain training with the same fusion, on the validation part, and out of how many runs each.

    The best of many runs beats a single one by luck alone, so a lower error is called lower, not help.
    """
    if len(compared) < 2:
        return f"only {next(iter(compared))} was tried with this fusion: nothing to compare it with"
    awc, plain = compared["awc"], compared["plain"]
    gain = plain[OBJECTIVE] - awc[OBJECTIVE]
    words = "AWC was lower" if gain > 0 else "AWC was not lower"
    caveat = ""
    if gain > 0 and awc["tries"] > plain["tries"]:
        caveat = (
            f"; {awc['tries']} tries against {plain['tries']} favour AWC even where it changes nothing, "
            "so this is no evidence that it helps"
        )
    return (
        f"{words} in this sweep: {_best_of(awc, 'AWC')} {awc[OBJECTIVE]:.1f} mm, "
        f"{_best_of(plain, 'plain')} {plain[OBJECTIVE]:.1f} mm, difference {-gain:+.1f} mm{caveat}"
    )


def _best_of(row: dict[str, Any], role: str) -> str:
    """Such as `best of 9 AWC runs (trial-004)`."""
    which = "the one" if row["tries"] == 1 else f"best of {row['tries']}"
    return f"{which} {role} {'run' if row['tries'] == 1 else 'runs'} ({row['trial']})"


def trials_table(outcome: SweepOutcome) -> Table:
    """The trials of a sweep, best first; errors in mm on the validation part."""
    table = Table(title=f"AWC sweep on {outcome.provenance}: validation MPJPE, mm")
    for column in ("trial", "fusion", "strong", "weak", "K", "epochs", "MPJPE", ""):
        table.add_column(column, justify="left" if column in ("trial", "fusion", "") else "right")
    for row in outcome.table.finished.iter_rows(named=True):
        table.add_row(
            row["trial"],
            row["fusion"],
            *strengths(row),
            str(row["window"]),
            str(row["epochs"]),
            f"{row[OBJECTIVE]:.1f}",
            row["state"],
        )
    return table


def strengths(row: dict[str, Any]) -> tuple[str, str]:
    """Strength on the strong and on the weak sensors; dashes for plain training, which has none."""
    if row["window"] == 0:
        return "-", "-"
    return f"{row['strength']:.3g}", f"{row['strength'] * row['weak_share']:.3g}"


def setting_line(row: dict[str, Any]) -> str:
    """A trial's name and setting."""
    if row["window"] == 0:
        return f"{row['trial']}: plain training, {row['fusion']} fusion"
    strong, weak = strengths(row)
    return (
        f"{row['trial']}: {row['fusion']} fusion, strength {strong}, weak sensors {weak}, K {row['window']}"
    )
