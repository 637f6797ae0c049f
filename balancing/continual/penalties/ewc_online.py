"""Online elastic weight consolidation (Schwarz et al., ICML 2018, arXiv 1805.06370): one anchor in all.

At a task's end the anchor moves to its weights, and `F <- gamma F + F_task`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from equipose.balancing import checks
from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.penalties.fisher_config import FisherConfig, task_fisher
from equipose.balancing.run import Run

NAME = "ewc_online"


class OnlineEWC(Anchored):
    """Two copies of the weights, however many tasks there are."""

    penalty = NAME

    @dataclass(frozen=True, kw_only=True)
    class Config(FisherConfig):
        """As `FisherConfig`, and how fast earlier tasks fade."""

        name: ClassVar[str] = NAME
        gamma: float = 1.0
        """Weight of the information gathered before; 1 forgets none."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.share(NAME, self, "gamma")

    config: Config

    @property
    def factor(self) -> float:
        """lambda on our loss in metres."""
        return self.config.factor

    def on_task_end(self, run: Run) -> None:
        """Add the task's Fisher information and move the anchor."""
        if not self.factor:
            return
        fisher = task_fisher(run, self.config)
        for anchor in self.anchors:
            gathered = anchor.importance
            fisher = {name: self.config.gamma * gathered[name].to(f) + f for name, f in fisher.items()}
        self.anchors = [Anchor.here(run, fisher)]
