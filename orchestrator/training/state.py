"""Everything that changes while a run trains, and what it trains on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from equipose.balancing.backward.scaled import Backward
from equipose.balancing.method import Method
from equipose.balancing.objectives.objective import Objective
from equipose.models.base import SensorModel
from equipose.models.batch import Batch
from equipose.orchestrator.training.config import OptimizerConfig
from equipose.orchestrator.training.ranks import Ranks
from equipose.pipelines.batches.ahead import moved
from equipose.pipelines.batches.source import BatchSource


@dataclass(kw_only=True)
class Training:
    """Everything that changes while a run trains, and what it trains on."""

    model: SensorModel
    """The bare model."""
    wrapped: nn.Module
    """What the loop calls: the model, or DDP around it."""
    method: Method
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: OptimizerConfig
    train: BatchSource
    sample: BatchSource
    """Training rows spread over the whole part, in mixed order: whole batches for the statistics of batch
    normalisation and for the error on training data."""
    validation: BatchSource
    epochs: int
    seed: int
    value_function: str
    ranks: Ranks = field(default_factory=Ranks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    backward: Backward = field(default_factory=Backward)
    """How gradients are taken; what it scales losses by is part of the state."""
    task: int = 0
    """Position in a stream of tasks, 0-based."""
    watched: dict[str, BatchSource] = field(default_factory=dict)
    """Earlier tasks by name -> their validation parts, on which the error is measured after every epoch."""
    start_seconds: float = 0.0
    """What starting at another run's end took; counted with the first epoch."""
    epoch: int = 0
    """The next epoch to run."""
    contributions: Tensor | None = None
    """[M] Shapley scores of the latest validation pass."""
    best_mpjpe_mm: float = float("inf")
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of every finished epoch; checkpoints carry it, so the curves of a run need no server."""

    @property
    def metrics(self) -> dict[str, float]:
        """Of the latest epoch; empty before the first."""
        return self.history[-1] if self.history else {}

    def moved(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches on the model's device and in its precision, see `equipose.pipelines.batches.ahead`."""
        return moved(batches, self.device, self.dtype)
