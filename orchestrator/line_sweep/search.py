"""Tune's view of several studies at once: every search has its own, and all get their trials in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import Trial
from ray.tune.search import Searcher

from equipose.orchestrator.line_sweep.config import LineSweep
from equipose.orchestrator.line_sweep.dials import suggest_dials
from equipose.orchestrator.line_sweep.trial import SEARCH
from equipose.orchestrator.sweep.search import StudySearch, trials_left

RANDOM = 2
"""Trials of a search after its own setting that are drawn blindly."""

Finish = Callable[[dict[str, Any]], dict[str, Any]]
"""Adds to a point what its trial needs besides."""


class TurnTaking(Searcher):
    """Hands out the next trial of the search that has most left, the earlier one where two have as many."""

    def __init__(self, config: LineSweep, studies: Mapping[str, optuna.Study], finish: Finish) -> None:
        """studies: per search."""
        super().__init__(metric=config.objective, mode="min")
        searches = {search.name: search for search in config.searches()}
        self._left = {name: trials_left(studies[name], one.trials) for name, one in searches.items()}
        self._dials = {name: one.dials for name, one in searches.items()}
        self._finish = finish
        self._searches = {
            name: StudySearch(study, self._suggest_for(name), config.length, config.objective)
            for name, study in studies.items()
        }
        self._of: dict[str, str] = {}

    def _suggest_for(self, name: str) -> Callable[[Trial], dict[str, Any]]:
        return lambda trial: suggest_dials(trial, self._dials[name])

    @property
    def left(self) -> int:
        """Trials that are still to be handed out, of all searches."""
        return sum(max(0, count) for count in self._left.values())

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next point, with its search and the trial's number in its study; None when all are out."""
        if not self.left:
            return None
        name = max(self._left, key=lambda one: self._left[one])
        self._left[name] -= 1
        self._of[trial_id] = name
        return self._finish({**self._searches[name].suggest(trial_id), SEARCH: name})

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Store the objective after a run."""
        self._searches[self._of[trial_id]].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Close the trial in its study."""
        self._searches[self._of[trial_id]].on_trial_complete(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the studies are on disk."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the studies are on disk."""
