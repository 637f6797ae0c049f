"""The results of a sweep of lines: its trials as a table, and per search the best setting and its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from equipose.orchestrator.failures import FailedSweepError, listed
from equipose.orchestrator.line_sweep.config import LineSweep, Search
from equipose.orchestrator.line_sweep.dials import ChoiceDial
from equipose.orchestrator.line_sweep.trial import trial_name
from equipose.orchestrator.sweep.results import STATES
from equipose.orchestrator.sweep.search import failures

Label = Callable[[str, Mapping[str, Any]], str]
"""From a search's name and the values of its dials to how they are typed."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """Results of a finished sweep.

    Columns of `trials`: `trial`; the search under the name `group`; `state`; `dials` as typed; `own` for the
    setting as it is without tuning; `epochs`, the runs that were trained; and the objective in mm, infinite
    where training diverged.
    """

    group: ClassVar[str] = "search"
    """Column of the search's name."""

    objective: str
    trials: pl.DataFrame
    """Searches in their order, trials in order of creation."""
    values: Mapping[str, Mapping[str, Any]]
    """Trial -> its dials."""
    failures: Mapping[str, str]
    """Failed trial -> why, where it is known."""
    provenance: str

    @property
    def finished(self) -> pl.DataFrame:
        """Trials with a finite objective, best first within each search."""
        return self.trials.filter(pl.col(self.objective).is_finite()).sort(
            self.objective, maintain_order=True
        )

    @property
    def best(self) -> pl.DataFrame:
        """The best trial of every search, the best search first, with `own_mm`, `gain_mm` and `tries`.

        own_mm: the error of the search's own setting, null if that failed. Raises `FailedSweepError` when
        no trial has a value.
        """
        done, group = self.finished, self.group
        if done.is_empty():
            why = f" ({listed(self.failures)})" if self.failures else ""
            raise FailedSweepError(
                f"no trial of the sweep has ended with a finite error{why}. "
                "Fix the cause, then run the same command with --resume"
            )
        own = done.filter("own").select(group, own_mm=self.objective).unique(group, keep="first")
        tries = done.group_by(group).agg(tries=pl.len())
        return (
            done.unique(group, keep="first", maintain_order=True)
            .join(own, on=group, how="left", maintain_order="left")
            .join(tries, on=group, how="left", maintain_order="left")
            .with_columns(gain_mm=pl.col("own_mm") - pl.col(self.objective))
        )

    def of(self, search: Search) -> list[dict[str, Any]]:
        """A search's finished trials in order of creation, a column per dial and the objective.

        A dial without effect in a trial is None; a choice that is none is the word.
        """
        rows = self.finished.filter(pl.col(self.group) == search.name).sort("trial").iter_rows(named=True)
        found = []
        for row in rows:
            values = self.values[row["trial"]]
            shown = {dial.name: values.get(dial.name) for dial in search.dials}
            words = {
                dial.name: "none"
                for dial in search.dials
                if isinstance(dial, ChoiceDial) and dial.name in values and values[dial.name] is None
            }
            found.append({**shown, **words, self.objective: row[self.objective]})
        return found

    def to_json(self) -> dict[str, Any]:
        """The outcome for scripts; errors on validation parts in mm, null where training diverged."""
        rows = self.trials.with_columns(pl.when(pl.col(self.objective).is_finite()).then(self.objective))
        return {
            "best": self.best.to_dicts(),
            "trials": [{**row, "values": dict(self.values[row["trial"]])} for row in rows.to_dicts()],
            "provenance": self.provenance,
        }


def trials_of(
    config: LineSweep, studies: Mapping[str, optuna.Study], group: str, label: Label
) -> dict[str, Any]:
    """The fields `objective`, `trials`, `values` and `failures` of `Swept`, from the studies of all searches.

    group: column of the search's name. label: how values of dials are typed.
    """
    columns = {
        "trial": pl.String,
        group: pl.String,
        "state": pl.String,
        "dials": pl.String,
        "own": pl.Boolean,
        "epochs": pl.Int64,
        config.objective: pl.Float64,
    }
    rows, values = [], {}
    for search in config.searches():
        own = search.enqueued()[0]
        for trial in studies[search.name].get_trials(deepcopy=False, states=tuple(STATES)):
            name = trial_name(search.name, trial.number)
            known = (name, search.name, _state(trial), label(search.name, trial.params))
            value = None if trial.state == TrialState.FAIL else trial.value
            reached = trial.user_attrs.get("epoch", 0)
            rows.append(dict(zip(columns, (*known, trial.params == own, reached, value), strict=True)))
            values[name] = dict(trial.params)
    return {
        "objective": config.objective,
        "trials": pl.DataFrame(rows, schema=columns),
        "values": values,
        "failures": {trial: why for study in studies.values() for trial, why in failures(study).items()},
    }


def _state(trial: FrozenTrial) -> str:
    if trial.state == TrialState.COMPLETE and trial.value is not None and not np.isfinite(trial.value):
        return "diverged"
    return STATES[trial.state]
