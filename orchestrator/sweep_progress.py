"""From Tune's events to the progress display; decides nothing.

Tune pickles its callbacks and reads them back when a sweep is resumed. The display itself cannot travel, so
the callback looks for the one that this process shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from ray import tune

from orchestrator.progress import SweepProgress
from orchestrator.sweep_config import OBJECTIVE

_SHOWN: ContextVar[SweepProgress | None] = ContextVar("shown", default=None)


@contextlib.contextmanager
def showing(progress: SweepProgress) -> Iterator[None]:
    """Make `progress` the display of this process for the length of a block."""
    token = _SHOWN.set(progress)
    try:
        yield
    finally:
        _SHOWN.reset(token)


class ShowProgress(tune.Callback):
    """Tells the display of this process what happens to the trials; silent where there is none."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._begun = False

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """A resumed sweep begins with trials that have ended already."""
        ended = [trial for trial in trials if trial.status == "TERMINATED" and not self._begun]
        for trial in ended:
            self.on_trial_complete(iteration, trials, trial)
        self._begun = True

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial begins, or goes on."""
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
        progress = _SHOWN.get()
        if progress is not None:
            epoch, value = last.get("epoch", 0), last.get(OBJECTIVE)
            progress.trial(str(trial), state, epoch, self._epochs, value, trial.evaluated_params)
