"""Shows Tune's events and the study on the progress display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from ray import tune

from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.sweep.config import OBJECTIVE
from equipose.orchestrator.sweep.search import FINISHED
from equipose.orchestrator.sweep.trial import searched, trial_name


def show_finished(progress: JobProgress, study: optuna.Study, epochs: int) -> None:
    """Show the trials that an earlier driver finished."""
    for trial in study.get_trials(deepcopy=False, states=FINISHED):
        epoch = trial.user_attrs["epoch"]
        state = "stopped" if epoch < epochs else "done"
        progress.trial(trial_name(trial.number), state, epoch, epochs, trial.value, trial.params)


class ShowProgress(tune.Callback):
    """Reports the trials to the display."""

    def __init__(
        self,
        progress: JobProgress,
        epochs: int,
        objective: str = OBJECTIVE,
        shown: Callable[[Mapping[str, Any]], dict[str, Any]] = searched,
    ) -> None:
        """epochs: that a trial reports. shown: the parameters in a trial's config."""
        self._progress, self._epochs, self._objective, self._shown = progress, epochs, objective, shown

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial starts or resumes."""
        self._show(trial, "running", trial.last_result or {})

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended."""
        self._show(trial, "running", result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has trained all its epochs, or ASHA has stopped it."""
        last = trial.last_result or {}
        self._show(trial, "stopped" if last.get("epoch", 0) < self._epochs else "done", last)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        self._show(trial, "failed", trial.last_result or {})

    def _show(self, trial: Any, state: str, last: dict[str, Any]) -> None:
        epoch, value = last.get("epoch", 0), last.get(self._objective)
        value = None if value != value else value  # NaN: not known yet
        params = self._shown(trial.config)
        self._progress.trial(str(trial), state, epoch, self._epochs, value, params)
