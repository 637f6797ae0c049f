"""L2: every weight is held near that of the task before, all equally.

The baseline of elastic weight consolidation (Kirkpatrick et al., PNAS 2017, arXiv 1612.00796):
`lambda sum 1/2 (theta - theta*)^2`.
"""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing import checks
from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.method import MethodConfig
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "l2"


class L2(Anchored):
    """A penalty on any move away from the last task's weights."""

    penalty = NAME

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The strength was chosen on simulated streams."""

        strength: float = searched(10.0, low=0.01, high=1e3)
        """lambda, m per squared unit of a weight."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)

    config: Config

    @property
    def factor(self) -> float:
        """lambda."""
        return self.config.strength

    def on_task_end(self, run: Run) -> None:
        """Anchor the weights; a single one is stored for all importances, which are 1."""
        if self.factor:
            parameters = trained_parameters(run.model)
            self.anchors = [Anchor.here(run, {n: p.new_ones(()).expand_as(p) for n, p in parameters.items()})]
