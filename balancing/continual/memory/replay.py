"""Experience replay (Chaudhry et al., arXiv 1902.10486): train on a few old rows along with the new ones.

    L = mean over B new rows of l + beta mean over B replayed rows of l

in every step. Steps per task are those of plain training; each costs twice as much.
"""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing import checks
from equipose.balancing.continual.memory.rehearsal import Rehearsal, RehearsalConfig, replayed_losses
from equipose.balancing.losses import Losses
from equipose.balancing.method import Step
from equipose.balancing.search_spaces import searched

NAME = "replay"


class Replay(Rehearsal):
    """A reservoir of rows, replayed in every step."""

    claims = frozenset({"pose loss"})

    @dataclass(frozen=True, kw_only=True)
    class Config(RehearsalConfig):
        """The paper's equal weights."""

        beta: float = searched(1.0, low=0.1, high=10.0)
        """Weight of the replayed rows."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "beta", zero=True)

    config: Config

    @property
    def idle(self) -> bool:
        """Without weight nothing is replayed."""
        return self.config.beta == 0

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Weigh the replayed rows."""
        if self.idle or not len(self.replayed):
            return losses
        return replayed_losses(losses, step, self.replayed.holds(step.batch.index), self.config.beta)
