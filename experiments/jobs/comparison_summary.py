"""The summary of a finished comparison: tables, which methods helped or did not, where the files are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from equipose.orchestrator.comparison.job import ComparisonOutcome
from equipose.orchestrator.comparison.results import SettingOutcome
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.comparison import VERDICTS
from equipose.pipelines.tables.formats import to_rich

WIDTH = 150


def print_comparison(outcome: ComparisonOutcome, out: Path, console: Console | None = None) -> None:
    """Print a table and the verdicts of each setting, and where the files are."""
    console = console or wide_console()
    for setting in outcome.settings:
        console.print(to_rich(setting.table()))
        for line in verdict_lines(setting):
            console.print(line)
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    folder = Path(shown) / outcome.folder.relative_to(out)
    console.print(f"tables and figures: {folder}\nlook at it: equipose ui {shown}", soft_wrap=True)


def wide_console() -> Console:
    """A console of the terminal's width; for a file or pipe, wide enough for the whole table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def verdict_lines(setting: SettingOutcome) -> list[str]:
    """One line per verdict that occurs, and a warning if there is too little data to decide."""
    if len(setting.methods) < 2:
        return [f"only {setting.methods[0]}: nothing to compare it with"]
    comparison = setting.comparison()
    lines = []
    for verdict in VERDICTS:
        names = [row["method"] for row in comparison.iter_rows(named=True) if row["verdict"] == verdict]
        if names:
            lines.append(f"{verdict} ({len(names)} of {len(comparison)}): {', '.join(names)}")
    weak = comparison.filter("underpowered")
    if len(weak):
        lines.append(
            f"underpowered ({len(weak)} of {len(comparison)}): {weak['why'][0]}; add seeds or subjects"
        )
    lines.append(f"differences to {REFERENCE} on the test part, {setting.runs[0].result.provenance}")
    return lines


def outcome_json(outcome: ComparisonOutcome) -> dict[str, Any]:
    """The comparison for scripts: test error and difference to plain, per setting and method."""
    settings = {}
    for setting in outcome.settings:
        rows = setting.comparison().fill_nan(None).to_dicts() if len(setting.methods) > 1 else []
        settings[setting.setting.slug] = {
            "fingerprint": setting.runs[0].result.fingerprint,
            "provenance": setting.runs[0].result.provenance,
            "comparison": rows,
            "test_mpjpe_mm": {
                method: [run.evaluation.mpjpe_mm for run in setting.of(method)] for method in setting.methods
            },
        }
    return {"settings": settings}
