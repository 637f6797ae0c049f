"""What a method sees of a run: its model, its data, and what the loop makes equal on every rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equipose.balancing.losses import PerSampleLoss
from equipose.models.batch import Batch

if TYPE_CHECKING:
    from equipose.models.model import PoseModel


def _ignore(name: str, value: float | Tensor) -> None:
    """The default of `Run.log`: record nothing."""


def _leave() -> None:
    """The default of `Run.recalibrate`: change nothing."""


def _no_rows(rows: Tensor) -> Iterable[Batch]:
    """The default of `Run.rows`."""
    raise ValueError("this run has no store to take rows from; it is not one of the training loop")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a method sees of the run at an epoch boundary."""

    model: PoseModel
    """The unwrapped model. Extra forwards go through it, inside `evaluating(model)`."""
    epoch: int
    """0-based."""
    epochs: int
    """Planned number of epochs."""
    seed: int
    loss: PerSampleLoss
    """The task loss per sample; MPJPE in metres (AWC paper, eq. for L_MPJPE)."""
    batches: Callable[[], Iterable[Batch]]
    """A fresh pass over this rank's share of the training data, in index order, on the right device."""
    shuffled: Callable[[], Iterable[Batch]]
    """The same in a random order, a function of (seed, epoch): for statistics of whole batches, which frames
    in a row would bias because they are nearly alike."""
    validation_batches: Callable[[], Iterable[Batch]] | None = None
    """The same for the validation data, or None if there is none. Never the test data."""
    mean: Callable[[Tensor], Tensor] = field(default=lambda tensor: tensor)
    """Average of a tensor over ranks; the identity on one rank."""
    gather: Callable[[Tensor], Tensor] = field(default=lambda rows: rows)
    """Rows [R, D] of this rank to those of all ranks, in their order, with gradients; every rank calls it
    with as many rows."""
    rank: int = 0
    world_size: int = 1
    contributions: Tensor | None = None
    """[M] float64 Shapley scores of the latest validation pass, or None before the first."""
    recalibrate: Callable[[], None] = field(default=_leave)
    """Bring the running statistics of normalisation layers to the current weights. They are up to date when
    an epoch starts; a method that moves weights there calls it afterwards."""
    task: int = 0
    """Position in a stream of tasks, 0-based; epochs count within the task."""
    batch_size: int = 0
    """Rows of a global batch."""
    training_rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """[N] int64 rows of the store that this task trains on, ascending."""
    validation_rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """[N] int64 rows of the store in the validation part of this task, ascending."""
    rows: Callable[[Tensor], Iterable[Batch]] = field(default=_no_rows)
    """This rank's share of given rows of the store ([K] int64), in their order; it shows every reading, those
    that `Method.hidden` leaves out of all other passes too."""
    log: Callable[[str, float | Tensor], None] = field(default=_ignore)
    """Record a metric of this epoch, e.g. `log("method/alpha/rgb", 2e4)`; the latest value counts. A tensor
    of one number is read when the epoch ends, so logging it in a step does not wait for the device."""


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """Which rows an epoch visits, in order, and which modalities each visit may use.

    Equal on every rank; the loop shards it afterwards.
    """

    indices: Tensor
    """[N] int64 rows of the store's index."""
    present: Tensor
    """[N, M] bool; False hides a modality that the row has."""
    batch_size: int | None = None
    """Rows of a global batch; None is the run's. An epoch of more rows in larger batches keeps its steps."""


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """Readings that no pass over training or validation data shows: they do not fit what was recorded."""

    rows: Tensor
    """[K] int64 rows of the store, ascending."""
    readings: Tensor
    """[K, M] bool; True is hidden."""

    def visible(self, rows: Tensor) -> Tensor:
        """[N, M] bool for rows of the store [N]: False where the reading is hidden."""
        if not len(self.rows):
            return torch.ones(len(rows), self.readings.shape[1], dtype=torch.bool)
        at = torch.searchsorted(self.rows, rows).clamp_max(len(self.rows) - 1)
        return ~(self.readings[at] & (self.rows[at] == rows)[:, None])
