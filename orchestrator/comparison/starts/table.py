"""What aligning the encoders first changes: the error of every method, and what each sensor contributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from equipose.orchestrator.comparison.config import Start
from equipose.orchestrator.comparison.results import SettingOutcome
from equipose.pipelines.statistics.comparison import EvidenceRule, compare, method_errors
from equipose.pipelines.tables.table import Cell, Table, columns_named

NEW: Start = "new"
ALIGNED: Start = "aligned"


def start_tables(outcomes: Sequence[SettingOutcome]) -> dict[str, Table]:
    """Slug of every setting with aligned encoders -> its table against the same setting with new weights."""
    by_setting = {outcome.setting: outcome for outcome in outcomes}
    found = {}
    for setting, aligned in by_setting.items():
        new = by_setting.get(replace(setting, start=NEW))
        if setting.start == ALIGNED and new is not None:
            found[setting.slug] = start_table(new, aligned)
    return found


def start_table(new: SettingOutcome, aligned: SettingOutcome) -> Table:
    """A row per method that both have; differences are aligned minus new, with their 95 % interval."""
    rows = [_row(method, new, aligned) for method in new.methods if method in aligned.methods]
    return Table(
        caption=new.caption("Encoders aligned with the skeletons first, against new weights"),
        columns=columns_named(
            ("method", "new weights", "aligned first", "Δ MPJPE (mm)", "verdict", *_shares(new.modalities))
        ),
        rows=tuple(rows),
        notes=(
            "Δ: aligned first minus new weights, negative is better; both were trained for as many epochs, "
            "the alignment comes on top.",
            "Shares: of the sum of absolute Shapley contributions on the test part, in per cent, mean over "
            "seeds: with new weights → aligned first.",
        ),
    )


def _shares(modalities: Sequence[str]) -> list[str]:
    return [f"share of {name}" for name in modalities]


def _row(method: str, new: SettingOutcome, aligned: SettingOutcome) -> tuple[Cell, ...]:
    tables = [
        outcome.errors().filter(pl.col("method") == method).with_columns(method=pl.lit(name))
        for name, outcome in ((NEW, new), (ALIGNED, aligned))
    ]
    both = pl.concat(tables)
    [judged] = compare(both, EvidenceRule(reference=NEW)).to_dicts()
    means = {row["method"]: row for row in method_errors(both).to_dicts()}
    return (
        Cell(text=method),
        *(
            Cell(value=means[name]["mean_mm"], std=means[name]["std_mm"], n=means[name]["seeds"])
            for name in (NEW, ALIGNED)
        ),
        Cell(value=judged["difference_mm"], interval=(judged["low_mm"], judged["high_mm"]), signed=True),
        Cell(text=judged["verdict"]),
        *(
            Cell(text=f"{before:.0f} → {after:.0f}")
            for before, after in zip(
                contribution_shares(new, method), contribution_shares(aligned, method), strict=True
            )
        ),
    )


def contribution_shares(outcome: SettingOutcome, method: str) -> list[float]:
    """[M] mean over seeds of each sensor's share of the absolute contributions, per cent."""
    values = np.array([run.evaluation.report.shapley for run in outcome.of(method)], dtype=np.float64)
    shares = 100 * values / np.abs(values).sum(axis=1, keepdims=True)
    return [float(share) for share in shares.mean(axis=0)]
