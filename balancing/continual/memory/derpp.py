"""Dark experience replay++ (Buzzega et al., NeurIPS 2020, arXiv 2004.07211), with poses in place of logits.

    L = mean over new rows of l + mean over replayed rows of (alpha norm(f(x) - z) + beta l)

z is what the model predicted for the row at the end of its task, from the readings that were visible; the
norm is the task's own (mean joint distance, m). The paper stores logits while it trains and draws twice, once
for each term; here z comes from one pass at the task's end, and both terms see the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from equipose.balancing import checks
from equipose.balancing.continual.distances import distance_to
from equipose.balancing.continual.memory.kept_rows import TARGET
from equipose.balancing.continual.memory.rehearsal import Rehearsal, RehearsalConfig, replayed_losses
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Step
from equipose.balancing.search_spaces import searched

NAME = "derpp"


class DERpp(Rehearsal):
    """Replay that also holds the model to its former predictions; 51 numbers a row more."""

    claims = frozenset({"pose loss"})
    keeps_targets = True

    @dataclass(frozen=True, kw_only=True)
    class Config(RehearsalConfig):
        """Weights that did well on simulated streams; beta 0 is DER."""

        name: ClassVar[str] = NAME
        alpha: float = searched(0.5, low=0.05, high=5.0)
        """Weight of the former predictions."""
        beta: float = 0.5
        """Weight of the true poses of the replayed rows."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "alpha", zero=True)
            checks.positive(NAME, self, "beta", zero=True)

    config: Config

    @property
    def idle(self) -> bool:
        """Without weights nothing is replayed."""
        return self.config.alpha == 0 == self.config.beta

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Weigh the replayed rows, and add the distance to their former predictions."""
        if self.idle or not len(self.replayed):
            return losses
        old = self.replayed.holds(step.batch.index)
        losses = replayed_losses(losses, step, old, self.config.beta)
        poses = step.outputs.pose
        at = self.replayed.position(step.batch.index[old])
        targets = poses.detach().clone()
        targets[old] = self.replayed.columns[TARGET][at].to(poses)
        distances = distance_to(step.run.loss, poses, targets)
        return with_term(losses, NAME, 2 * self.config.alpha * torch.where(old, distances, 0).mean())
