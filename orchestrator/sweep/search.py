"""The search of a sweep: an Optuna study that Ray Tune asks for points, and that survives its driver.

The study is the only record of a sweep. Every answer is committed to its database before Tune gets it, and
a trial is named by its number there, so a sweep that is killed at any moment resumes from the study alone.
Tune's own saved state is not used: it is written to several files, up to seconds late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from ray.tune.search import Searcher

from equipose.models.randomness import derive_seed
from equipose.orchestrator.sqlite import whole_database
from equipose.orchestrator.sweep.config import OBJECTIVE, SearchSpace
from equipose.orchestrator.sweep.trial import NUMBER

RETRY_OF = "retry_of"
FAILURES = "failures"
"""Attribute of the study: why trials failed."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Searched(Protocol):
    """What a study needs to know of the search that it is the record of."""

    @property
    def name(self) -> str:
        """Of the study."""

    @property
    def seed(self) -> int:
        """Of the sampler."""

    def enqueued(self) -> list[dict[str, Any]]:
        """Points tried first."""


def open_study(config: Searched, database: Path, random: int = 0) -> optuna.Study:
    """The study of a search, new or left by an earlier driver, with every reference point queued.

    Failed trials are queued again, once each. random: trials after the reference points that the sampler
    draws blindly, before it learns from results.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(whole_database(database, _make_tables))
    study = optuna.create_study(study_name=config.name, storage=storage, load_if_exists=True)
    # The earlier driver's sampler is gone, so the seed depends on how many trials it had started.
    seed = derive_seed(config.seed, "search", len(study.trials)) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=len(config.enqueued()) + random)
    for point in config.enqueued():
        study.enqueue_trial(point, skip_if_exists=True)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in study.trials}
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.number not in retried:
            study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
    return study


def _make_tables(url: str) -> None:
    optuna.storages.RDBStorage(url).engine.dispose()


def keep_failures(study: optuna.Study, reasons: Mapping[str, str]) -> None:
    """Store why trials failed, beside the reasons of earlier ones; trial -> reason."""
    study.set_user_attr(FAILURES, failures(study) | dict(reasons))


def failures(study: optuna.Study) -> dict[str, str]:
    """Failed trial -> why, where it is known."""
    return dict(sorted(study.user_attrs.get(FAILURES, {}).items()))


def trials_left(study: optuna.Study, trials: int) -> int:
    """How many of a sweep's trials have not finished."""
    return trials - len(study.get_trials(deepcopy=False, states=FINISHED))


def suggest_point(trial: Trial, space: SearchSpace) -> dict[str, Any]:
    """A point of the space; parameters that the trial already has stay."""
    return {
        "strength": trial.suggest_float("strength", *space.strength, log=True),
        "weak_share": trial.suggest_float("weak_share", *space.weak_share),
        "window": trial.suggest_int("window", *space.window),
        "fusion": trial.suggest_categorical("fusion", list(space.fusion)),
    }


class StudySearch(Searcher):
    """Tune's view of a study; trials that an earlier driver left running come first, with their numbers."""

    def __init__(
        self,
        study: optuna.Study,
        suggest: Callable[[Trial], dict[str, Any]],
        epochs: int,
        objective: str = OBJECTIVE,
    ) -> None:
        """`suggest` draws a trial's point; a trial that ends before `epochs` epochs counts as pruned."""
        super().__init__(metric=objective, mode="min")
        self._study, self._suggest, self._epochs, self._objective = study, suggest, epochs, objective
        self._left: list[FrozenTrial] = study.get_trials(states=(TrialState.RUNNING,))
        self._trials: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The next point, with the trial's number in the study."""
        trial = Trial(self._study, self._left.pop(0)._trial_id) if self._left else self._study.ask()
        self._trials[trial_id] = trial
        return {**self._suggest(trial), NUMBER: trial.number}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Store the objective of every epoch."""
        trial, epoch = self._trials[trial_id], int(result["epoch"])
        if epoch > trial.user_attrs.get("epoch", 0):  # a resumed trial may repeat one
            trial.report(result[self._objective], epoch)
            trial.set_user_attr("epoch", epoch)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Close the trial in the study; `result` is new when the scheduler has just stopped it."""
        if result and "epoch" in result:
            self.on_trial_result(trial_id, result)
        trial = self._trials.pop(trial_id)
        epoch = trial.user_attrs.get("epoch", 0)
        if error or not epoch:
            self._study.tell(trial, state=TrialState.FAIL)
        elif epoch < self._epochs:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            value = self._study.trials[trial.number].intermediate_values[epoch]
            self._study.tell(trial, value)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is on disk."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study is on disk."""
