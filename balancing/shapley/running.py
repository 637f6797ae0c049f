"""Contributions from the training batches (one reading of the AWC paper), without running encoders again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Step
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import value_function


def batch_contributions(step: Step, value: str = "pearson") -> Tensor:
    """[M] float64 Shapley scores of one step's batch over all ranks; equal on all of them.

    Uses the step's own features. The fusion runs in evaluation mode without gradient, so it neither draws
    random numbers nor changes running statistics. Waits for the device.
    """
    model = step.run.model
    # Only the fusion runs, and setting the flags of all encoders would take longer than the fusion.
    with torch.no_grad(), evaluating(model.fusion):
        predictions = coalition_predictions(
            model, step.outputs.features.detach(), model.present_of(step.batch)
        )
    one_group = torch.zeros(len(step.batch), dtype=torch.int64)
    local = CoalitionStatistics.from_predictions(predictions, step.batch.pose, one_group)
    values = value_function(value)(local.reduced(step.run.mean))
    return coalitions_of(len(model.modalities)).shapley(values)


class RunningContributions:
    """A running mean of batch contributions: those of a single batch are noisy."""

    def __init__(self, *, value_function: str = "pearson", momentum: float | None = None) -> None:
        """momentum: weight of the newest batch in an exponential mean; None weights all batches equally."""
        if momentum is not None and not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1] or be None, got {momentum}")
        self.value_function = value_function
        self.momentum = momentum
        self.count = 0
        self.scores: Tensor | None = None
        """[M] float64, or None before the first batch."""

    def update(self, step: Step) -> Tensor:
        """Add one step's batch; returns the running scores [M]."""
        new = batch_contributions(step, self.value_function)
        self.count += 1
        share = self.momentum if self.momentum is not None else 1 / self.count
        self.scores = new if self.scores is None else self.scores + share * (new - self.scores)
        return self.scores

    def state_dict(self) -> dict[str, Any]:
        """Scores and the number of batches behind them."""
        return {"count": self.count, "scores": self.scores}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.count, self.scores = state["count"], state["scores"]
