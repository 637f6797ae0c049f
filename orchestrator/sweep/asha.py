"""Which trials of a sweep are stopped early."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import ASHAScheduler

from equipose.orchestrator.sweep.config import OBJECTIVE, SweepConfig
from equipose.orchestrator.sweep.trial import searched


class ProposalsOnlyASHA(ASHAScheduler):
    """ASHA for what the search proposes; the reference points run to their end.

    A gain over a reference that was stopped early would only be one of training time. No trial is stopped at
    its last epoch either: that would cut off its regular end.
    """

    def __init__(self, config: SweepConfig) -> None:
        super().__init__(
            time_attr="epoch",
            metric=OBJECTIVE,
            mode="min",
            max_t=config.base.epochs + 1,
            grace_period=config.grace_epochs,
            reduction_factor=3,
        )
        self._references = config.enqueued()
        self._epochs = config.base.epochs

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """CONTINUE for references and at the last epoch; their results still count in the rungs."""
        decision: str = super().on_trial_result(tune_controller, trial, result)
        point = searched(trial.config)
        passes = point in self._references or result["epoch"] >= self._epochs
        return self.CONTINUE if passes else decision
