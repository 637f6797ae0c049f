"""Tune's view of several studies at once: every strategy has its own, and all get their trials in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import Trial
from ray.tune.search import Searcher

from equipose.orchestrator.stream_sweep.config import OBJECTIVE, Search
from equipose.orchestrator.stream_sweep.dials import Dial
from equipose.orchestrator.stream_sweep.trial import STRATEGY
from equipose.orchestrator.sweep.search import StudySearch, trials_left

RANDOM = 2
"""Trials of a strategy after its own setting that are drawn blindly."""

Finish = Callable[[dict[str, Any]], dict[str, Any]]
"""Adds to a point what its trial needs besides."""


def suggest_dials(trial: Trial, dials: tuple[Dial, ...]) -> dict[str, Any]:
    """A point of a strategy's space; dials that the trial already has stay."""
    return {
        dial.name: trial.suggest_int(dial.name, round(dial.low), round(dial.high), log=True)
        if dial.whole
        else trial.suggest_float(dial.name, dial.low, dial.high, log=True)
        for dial in dials
    }


class TurnTaking(Searcher):
    """Hands out the next trial of the strategy that has most left, the earlier one where two have as many."""

    def __init__(
        self, searches: Mapping[str, Search], studies: Mapping[str, optuna.Study], length: int, finish: Finish
    ) -> None:
        """searches, studies: per strategy. length: reports of a whole trial."""
        super().__init__(metric=OBJECTIVE, mode="min")
        self._left = {name: trials_left(studies[name], one.trials) for name, one in searches.items()}
        self._dials = {name: one.dials for name, one in searches.items()}
        self._finish = finish
        self._searches = {
            name: StudySearch(study, self._suggest_for(name), length, OBJECTIVE)
            for name, study in studies.items()
        }
        self._of: dict[str, str] = {}

    def _suggest_for(self, name: str) -> Callable[[Trial], dict[str, Any]]:
        return lambda trial: suggest_dials(trial, self._dials[name])

    @property
    def left(self) -> int:
        """Trials that are still to be handed out, of all strategies."""
        return sum(max(0, count) for count in self._left.values())

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next point, with its strategy and the trial's number in its study; None when all are out."""
        if not self.left:
            return None
        name = max(self._left, key=lambda one: self._left[one])
        self._left[name] -= 1
        self._of[trial_id] = name
        return self._finish({**self._searches[name].suggest(trial_id), STRATEGY: name})

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Store the objective after a task."""
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
