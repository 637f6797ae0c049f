"""The results of a sweep: its trials as a table, the best of them, and plain training to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from equipose.balancing.shapley.report import ContributionReport
from equipose.orchestrator.failures import FailedSweepError, listed
from equipose.orchestrator.sweep.config import OBJECTIVE
from equipose.orchestrator.sweep.search import failures
from equipose.orchestrator.sweep.trial import trial_name

COLUMNS: dict[str, Any] = {
    "trial": pl.String,
    "state": pl.String,
    "fusion": pl.String,
    "strength": pl.Float64,
    "weak_share": pl.Float64,
    "window": pl.Int64,
    "epochs": pl.Int64,
    OBJECTIVE: pl.Float64,
}
"""Columns of the table of trials; errors in mm."""


@dataclass(frozen=True, kw_only=True)
class SweepTable:
    """The trials of a sweep, in order of creation."""

    frame: pl.DataFrame
    failures: dict[str, str] = field(default_factory=dict)
    """Failed trial -> why, where it is known."""

    @property
    def finished(self) -> pl.DataFrame:
        """Trials that have a value, best first."""
        return self.frame.filter(pl.col(OBJECTIVE).is_not_null()).sort(OBJECTIVE)

    @property
    def best(self) -> dict[str, Any]:
        """The best trial. Raises `FailedSweepError` when no trial has a value."""
        if self.finished.is_empty():
            why = f" ({listed(self.failures)})" if self.failures else ""
            raise FailedSweepError(
                f"no trial of the sweep has succeeded: all {self.frame.height} failed{why}. "
                "Fix the cause, then run the same command with --resume"
            )
        return self.finished.row(0, named=True)

    @property
    def compared(self) -> dict[str, dict[str, Any]]:
        """`awc` and `plain`: the best trial with and without balancing, both with the best trial's fusion.

        The better one comes first; one of them may be missing. `tries`: among how many it is the best.
        """
        same = self.finished.filter(pl.col("fusion") == self.best["fusion"])
        roles = same.with_columns(
            role=pl.when(pl.col("window") > 0).then(pl.lit("awc")).otherwise(pl.lit("plain"))
        ).with_columns(tries=pl.len().over("role"))
        best = roles.unique("role", keep="first", maintain_order=True)
        return {row.pop("role"): row for row in best.iter_rows(named=True)}


STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "stopped", TrialState.FAIL: "failed"}


def sweep_table(study: optuna.Study) -> SweepTable:
    """The trials of a study that have ended; a failed one has no value."""
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False, states=tuple(STATES))]
    return SweepTable(frame=pl.DataFrame(rows, schema=COLUMNS).sort("trial"), failures=failures(study))


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial_name(trial.number),
        "state": STATES[trial.state],
        **{name: trial.params.get(name) for name in ("fusion", "strength", "weak_share", "window")},
        "epochs": trial.user_attrs.get("epoch", 0),
        OBJECTIVE: None if trial.state == TrialState.FAIL else trial.value,
    }


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """Results of a finished sweep, for figures, summaries and scripts."""

    table: SweepTable
    trials: dict[str, str]
    """`awc` and `plain` -> its trial, the better one first; see `SweepTable.compared`."""
    checkpoints: dict[str, Path]
    """Role -> folder of its best checkpoint."""
    test: dict[str, ContributionReport]
    """Role -> contributions and subset errors on the test part."""
    test_rows: np.ndarray
    """Rows of the test part in the store."""
    modalities: tuple[str, ...]
    provenance: str

    @property
    def note(self) -> str:
        """The best setting and what came of it, as Markdown for the head of the sweep's page."""
        best = self.table.best
        setting = ", ".join(
            f"{name} {best[name]:.4g}"
            for name in ("strength", "weak_share", "window")
            if best[name] is not None
        )
        errors = ", ".join(
            f"{role} {report.mpjpe_mm[-1]:.1f} mm ({self.trials[role]})" for role, report in self.test.items()
        )
        return (
            f"**Best setting**: {best['fusion']} fusion, {setting or 'plain training'} ({best['trial']}), "
            f"validation MPJPE {best[OBJECTIVE]:.1f} mm.\n\n"
            f"**Test part**, {self.provenance}: {errors}. One run each, so no verdict: "
            "`equipose compare` gives one over several seeds."
        )

    def to_json(self) -> dict[str, Any]:
        """The outcome for scripts: trials, checkpoints and test errors in mm."""
        return {
            "best": self.table.best,
            "compared": self.table.compared,
            "checkpoints": {role: str(path) for role, path in self.checkpoints.items()},
            "test_mpjpe_mm": {role: float(report.mpjpe_mm[-1]) for role, report in self.test.items()},
            "provenance": self.provenance,
            "trials": self.table.frame.to_dicts(),
        }


def parameter_importance(study: optuna.Study, seed: int) -> dict[str, float]:
    """Share of the objective's variance that each searched parameter explains (fANOVA, Optuna).

    Empty when fewer than four trials are complete or all are equal: then there is nothing to explain.
    """
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if len(complete) < 4 or len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
