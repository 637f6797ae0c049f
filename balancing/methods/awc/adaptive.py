"""AWC with an adaptive window (ours): the constraint ends when a watched number has settled.

The AWC paper sets the window to K = 20 epochs. Here each epoch yields one number s,

    fisher:  the trace of the Fisher information of all encoders together,
    gap:     the mean score of the strong cluster minus that of the others,

and the window ends with the first epoch whose relative change |s - s_before| / |s_before| is, for the
`patience`-th time in a row, at most `tolerance`. That epoch and all later ones train plainly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.fisher.diagonal import fisher_trace
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.clustering import two_groups
from equipose.balancing.run import Run
from equipose.balancing.schedules import epoch_count, fixed_count

NAME = "awc_adaptive"


def group_gap(scores: Tensor) -> float:
    """Mean score of the high cluster minus that of the others; 0 where there is no high cluster."""
    high = two_groups(scores)
    values = scores.detach().double().cpu()
    return float(values[high].mean() - values[~high].mean()) if bool(high.any()) else 0.0


class Settling:
    """Counts consecutive small changes of a number."""

    def __init__(self, tolerance: float, patience: int) -> None:
        self.tolerance, self.patience = tolerance, patience
        self.last: float | None = None
        self.calm = 0

    def settled(self, value: float) -> bool:
        """Add the next value; True once `patience` changes in a row were small, and from then on."""
        if self.calm < self.patience and self.last is not None:
            small = abs(value - self.last) <= self.tolerance * abs(self.last)
            self.calm = self.calm + 1 if small else 0
        self.last = value
        return self.calm >= self.patience


class AdaptiveAWC(AWC):
    """AWC until the Fisher trace or the gap between the groups settles; `window` is the latest end."""

    @dataclass(frozen=True, kw_only=True)
    class Config(AWC.Config):
        """AWC's settings, with a window that is found instead of set."""

        window: int | None = epoch_count(None)
        """Latest end in epochs; None sets no limit."""
        watch: Literal["fisher", "gap"] = "fisher"
        """What must settle."""
        tolerance: float = 0.1
        """Largest relative change that counts as settled."""
        patience: int = fixed_count(3)
        """How many such changes in a row end the window."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.choice(NAME, self, "watch", ("fisher", "gap"))
            checks.positive(NAME, self, "tolerance", zero=True)
            checks.at_least(NAME, self, "patience", 1)
            if self.watch == "fisher" and self.fisher_schedule == "once":
                raise ValueError(
                    "awc_adaptive.watch='fisher' with fisher_schedule='once' watches a constant; "
                    "estimate every epoch or watch the gap"
                )

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.settling = Settling(self.config.tolerance, self.config.patience)
        self.ended = False

    @property
    def over(self) -> bool:
        """Also once the watched number has settled."""
        return self.ended or super().over

    def on_epoch_start(self, run: Run) -> None:
        """AWC's own start, then check the watched number; nothing after the end."""
        if self.over:
            return
        super().on_epoch_start(run)
        value = self._watched(run)
        self.ended = value is not None and self.settling.settled(value)
        run.log("method/window_open", float(not self.ended))
        if self.ended:
            self.anchor, self.fisher = {}, {}

    def state_dict(self) -> dict[str, Any]:
        """AWC's state and the watched numbers."""
        watched = {"last": self.settling.last, "calm": self.settling.calm, "ended": self.ended}
        return {**super().state_dict(), "watched": watched}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        super().load_state_dict(state)
        watched = state["watched"]
        self.settling.last, self.settling.calm = watched["last"], watched["calm"]
        self.ended = watched["ended"]

    def _watched(self, run: Run) -> float | None:
        """This epoch's number, or None if there is none yet."""
        if self.config.watch == "fisher":
            return fisher_trace(self.fisher)
        scores = run.contributions if self.config.contributions == "validation" else self.running.scores
        return None if scores is None else group_gap(scores)
