"""Elastic weight consolidation (Kirkpatrick et al., PNAS 2017, arXiv 1612.00796), one anchor for every task.

    L = l + lambda sum over tasks k before, parameters i of 1/2 F_ki (theta_i - theta*_ki)^2

F_k is the Fisher diagonal of the task loss at the end of task k, over encoders, fusion and head. The original
samples labels from the model; a pose has no likelihood here, so F is the mean squared gradient of the loss at
the true poses (the empirical Fisher), in m^2.
"""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.penalties.fisher_config import FisherConfig, task_fisher
from equipose.balancing.run import Run

NAME = "ewc"


class EWC(Anchored):
    """Memory grows by two copies of the weights with every task; see `ewc_online` for long streams."""

    penalty = NAME

    @dataclass(frozen=True, kw_only=True)
    class Config(FisherConfig):
        """As `FisherConfig`."""

    config: Config

    @property
    def factor(self) -> float:
        """lambda on our loss in metres."""
        return self.config.factor

    def on_task_end(self, run: Run) -> None:
        """Estimate the task's Fisher information and add its anchor."""
        if self.factor:
            self.anchors = [*self.anchors, Anchor.here(run, task_fisher(run, self.config))]
