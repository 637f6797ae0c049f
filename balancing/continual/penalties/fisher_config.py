"""Settings of the methods that weigh weights by Fisher information, and the estimate itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.balancing.method import MethodConfig
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

LOSS_UNITS = {"m": 1.0, "mm": 1000.0}
"""Factor on lambda. Fisher information grows with the square of the loss unit, the loss linearly."""


@dataclass(frozen=True, kw_only=True)
class FisherConfig(MethodConfig):
    """Strength and estimate."""

    name: ClassVar[str] = "ewc"
    """In messages."""

    strength: float = searched(1e5, low=1e2, high=1e7)
    """lambda. The best value differs by a decade between streams: tune it."""
    loss_unit: Literal["m", "mm"] = "m"
    """Unit of the loss for which the strength was tuned."""
    fisher: Literal["per_sample", "per_batch"] = "per_sample"
    """What is squared: each sample's gradient, or each batch's mean, with the frames in random order (faster
    where a fusion has weights of its own, such as tokens; the values are smaller by about the batch size)."""
    fisher_fraction: float = 1.0
    """Share of the training batches used for the estimate, evenly spaced."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive(self.name, self, "strength", zero=True)
        checks.choice(self.name, self, "loss_unit", LOSS_UNITS)
        checks.choice(self.name, self, "fisher", ("per_sample", "per_batch"))
        checks.share(self.name, self, "fisher_fraction")

    @property
    def factor(self) -> float:
        """lambda on our loss in metres."""
        return self.strength * LOSS_UNITS[self.loss_unit]


def task_fisher(run: Run, config: FisherConfig) -> dict[str, Tensor]:
    """Fisher diagonal of all trained weights on the task's visible readings, at the current weights."""
    every = run.shuffled() if config.fisher == "per_batch" else run.batches()
    return fisher_diagonal(
        run.model,
        evenly_spaced(every, config.fisher_fraction),
        run.loss,
        mode=config.fisher,
        parameters=trained_parameters(run.model),
        mean=run.mean,
    )
