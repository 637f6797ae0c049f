"""The results of a sweep of streams: its trials as a table, and per strategy the best setting and its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from equipose.orchestrator.continual.config import parts_of
from equipose.orchestrator.failures import FailedSweepError, listed
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.stream_sweep.trial import trial_name
from equipose.orchestrator.sweep.results import STATES
from equipose.orchestrator.sweep.search import failures

COLUMNS: dict[str, Any] = {
    "trial": pl.String,
    "strategy": pl.String,
    "state": pl.String,
    "dials": pl.String,
    "own": pl.Boolean,
    "epochs": pl.Int64,
    OBJECTIVE: pl.Float64,
}
"""Columns of the table of trials: `dials` as typed after a strategy's name, `own` for the strategy as it is
without tuning, `epochs` the tasks that were learnt; errors in mm, infinite where training diverged."""


@dataclass(frozen=True, kw_only=True)
class StreamSweepOutcome:
    """Results of a finished sweep of streams."""

    config: StreamSweepConfig
    trials: pl.DataFrame
    """See `COLUMNS`; strategies in their order, trials in order of creation."""
    values: Mapping[str, Mapping[str, float]]
    """Trial -> its dials."""
    failures: Mapping[str, str]
    """Failed trial -> why, where it is known."""
    provenance: str

    @property
    def finished(self) -> pl.DataFrame:
        """Trials with a finite objective, best first within each strategy."""
        return self.trials.filter(pl.col(OBJECTIVE).is_finite()).sort(OBJECTIVE, maintain_order=True)

    @property
    def best(self) -> pl.DataFrame:
        """The best trial of every strategy, the best strategy first, with `own_mm`, `gain_mm` and `tries`.

        own_mm: the error of the strategy's own setting, null if that failed. Raises `FailedSweepError` when
        no trial has a value.
        """
        done = self.finished
        if done.is_empty():
            why = f" ({listed(self.failures)})" if self.failures else ""
            raise FailedSweepError(
                f"no stream of the sweep has ended with a finite error{why}. "
                "Fix the cause, then run the same command with --resume"
            )
        own = done.filter("own").select("strategy", own_mm=OBJECTIVE).unique("strategy", keep="first")
        tries = done.group_by("strategy").agg(tries=pl.len())
        return (
            done.unique("strategy", keep="first", maintain_order=True)
            .join(own, on="strategy", how="left", maintain_order="left")
            .join(tries, on="strategy", how="left", maintain_order="left")
            .with_columns(gain_mm=pl.col("own_mm") - pl.col(OBJECTIVE))
        )

    def of(self, strategy: str) -> list[dict[str, Any]]:
        """A strategy's finished trials in order of creation, a column per dial and the objective."""
        rows = self.finished.filter(pl.col("strategy") == strategy).sort("trial").iter_rows(named=True)
        return [{**self.values[row["trial"]], OBJECTIVE: row[OBJECTIVE]} for row in rows]

    def to_json(self) -> dict[str, Any]:
        """The outcome for scripts; errors in mm, null where training diverged."""
        rows = self.trials.with_columns(pl.when(pl.col(OBJECTIVE).is_finite()).then(OBJECTIVE))
        return {
            "best": self.best.to_dicts(),
            "trials": [{**row, "values": dict(self.values[row["trial"]])} for row in rows.to_dicts()],
            "tasks": [task.name for task in self.config.job.tasks],
            "provenance": self.provenance,
        }


def outcome_of(
    config: StreamSweepConfig, studies: Mapping[str, optuna.Study], provenance: str
) -> StreamSweepOutcome:
    """The outcome from the studies of all strategies."""
    rows: list[dict[str, Any]] = []
    values: dict[str, dict[str, float]] = {}
    for search in config.searches():
        own = search.enqueued()[0]
        for trial in studies[search.name].get_trials(deepcopy=False, states=tuple(STATES)):
            row = _row(search.name, trial, trial.params == own)
            rows.append(row)
            values[row["trial"]] = dict(trial.params)
    return StreamSweepOutcome(
        config=config,
        trials=pl.DataFrame(rows, schema=COLUMNS),
        values=values,
        failures={trial: why for study in studies.values() for trial, why in failures(study).items()},
        provenance=provenance,
    )


def _row(strategy: str, trial: FrozenTrial, own: bool) -> dict[str, Any]:
    value = None if trial.state == TrialState.FAIL else trial.value
    return {
        "trial": trial_name(strategy, trial.number),
        "strategy": strategy,
        "state": "diverged" if value is not None and not np.isfinite(value) else STATES[trial.state],
        "dials": tuned_name(strategy, trial.params),
        "own": own,
        "epochs": trial.user_attrs.get("epoch", 0),
        OBJECTIVE: value,
    }


def tuned_name(strategy: str, values: Mapping[str, float]) -> str:
    """The strategy with its dials as `equipose continual` reads it.

    Examples:
        >>> tuned_name("noisy nis+ewc", {"ewc.strength": 123.456, "nis.warmup": 4})
        'noisy nis:warmup=4+ewc:strength=123.5'
        >>> tuned_name("replay:rows=400", {"replay.beta": 1e5})
        'replay:rows=400,beta=1e5'
    """
    noisy, _, names = strategy.rpartition(" ")
    parts = []
    for part in parts_of(names):
        name, _, typed = part.partition(":")
        settings = dict(pair.split("=") for pair in typed.split(",") if pair)
        for dial, value in values.items():
            method, _, field = dial.partition(".")
            if method == METHOD_OF.get(name, name):
                settings[field] = re.sub(r"e\+0*", "e", f"{value:.4g}")
        dials = ",".join(f"{field}={value}" for field, value in settings.items())
        parts.append(f"{name}:{dials}" if dials else name)
    return f"{noisy} {'+'.join(parts)}".strip()


METHOD_OF: Mapping[str, str] = {"random": "nis"}
"""Part of a strategy's name -> its method, where it is another."""
