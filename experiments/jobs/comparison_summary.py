"""The summary of a finished comparison: tables, which methods helped or did not, where the files are."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from equipose.experiments.jobs.console import wide_console
from equipose.orchestrator.comparison.check_tables import repetition_words
from equipose.orchestrator.comparison.job import ComparisonOutcome
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.methods_table import methods_table
from equipose.orchestrator.comparison.starts.table import start_tables
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.judgement import JUDGEMENTS
from equipose.pipelines.statistics.missing import ONE_MISSING
from equipose.pipelines.tables.formats import to_rich


def print_comparison(outcome: ComparisonOutcome, out: Path, console: Console | None = None) -> None:
    """Print a table and the verdicts of each setting, and where the files are."""
    console = console or wide_console()
    for setting in outcome.settings:
        console.print(to_rich(methods_table(setting)))
        for line in verdict_lines(setting):
            console.print(line)
    for table in start_tables([setting.outcome for setting in outcome.settings]).values():
        console.print(to_rich(table))
    shown = os.path.relpath(out) if out.is_relative_to(Path.cwd()) else str(out)
    folder = Path(shown) / outcome.folder.relative_to(out)
    console.print(f"tables and figures: {folder}\nlook at it: equipose ui {shown}", soft_wrap=True)


def verdict_lines(judgements: Judgements) -> list[str]:
    """One line per question and verdict that occurs, and a warning if there is too little data to decide."""
    setting = judgements.outcome
    if not judgements.several:
        return [f"only {setting.methods[0]}: nothing to compare it with"]
    lines = []
    for subset in judgements.questions:
        judged = judgements.judged(subset)
        where = f"{subset}: " if subset else ""
        for verdict in JUDGEMENTS:
            names = judged.filter(pl.col("judgement") == verdict)["method"].to_list()
            if names:
                lines.append(f"{where}{verdict} ({len(names)} of {len(judged)}): {', '.join(names)}")
        weak = judged.filter("underpowered")
        if len(weak):
            why = f"{weak['why'][0]}; add seeds or subjects"
            lines.append(f"{where}underpowered ({len(weak)} of {len(judged)}): {why}")
    if setting.again:
        lines.append(repetition_words(judgements))
    lines.append(f"differences to {REFERENCE} on the test part, {setting.runs[0].result.provenance}")
    return lines


def outcome_json(outcome: ComparisonOutcome) -> dict[str, Any]:
    """The comparison for scripts: test error, difference to plain and checks, per setting and method."""
    settings = {}
    for judgements in outcome.settings:
        setting, convergence = judgements.outcome, judgements.convergence
        questions = judgements.questions if judgements.several else ()
        settings[setting.setting.slug] = {
            "fingerprint": setting.runs[0].result.fingerprint,
            "provenance": setting.runs[0].result.provenance,
            "comparison": _rows(judgements.judged()) if judgements.several else [],
            "one_missing": _rows(judgements.judged(ONE_MISSING)) if ONE_MISSING in questions else [],
            "convergence": None if convergence is None else asdict(convergence) | {"gain": convergence.gain},
            "headroom": {subset or "all": judgements.headroom(subset) for subset in judgements.questions},
            "repetition": {
                subset or "all": [] if found is None else _rows(found)
                for subset in questions
                for found in [judgements.repetition(subset)]
            },
            "test_mpjpe_mm": {
                method: [run.evaluation.mpjpe_mm for run in setting.of(method)] for method in setting.methods
            },
        }
    return {"settings": settings}


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them."""
    return table.fill_nan(None).to_dicts()
