"""What the methods with a memory of earlier rows share: how it is filled, named, saved, and planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.memory.kept_rows import PRESENT, KeptRows, in_rounds, recorded
from equipose.balancing.continual.memory.reservoir import Reservoir
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.search_spaces import searched_count
from equipose.models.randomness import numpy_rng


@dataclass(frozen=True, kw_only=True)
class RehearsalConfig(MethodConfig):
    """Size of the memory."""

    name: ClassVar[str] = "replay"
    """In messages."""

    rows: int = searched_count(200, low=50, high=800, costs=True)
    """Rows of earlier tasks, of all of them together."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.at_least(self.name, self, "rows", 1)


class Rehearsal(Method):
    """Offers every task's rows to a reservoir when it ends, in the order of the store."""

    carries_on = True
    joins_late = True
    keeps_targets: ClassVar[bool] = False
    """Whether to note the model's predictions of the rows."""
    config: RehearsalConfig

    def __init__(self, config: RehearsalConfig | None = None) -> None:
        super().__init__(config)
        self.kept = KeptRows()
        self.places: tuple[int, ...] = ()
        """The kept rows by their place in the reservoir."""
        self.seen = 0
        """Rows offered so far."""
        self.replayed = KeptRows()
        """What the present epoch replays; empty in the first task."""

    @property
    def idle(self) -> bool:
        """Whether its settings turn it off."""
        return False

    @property
    def memory(self) -> Tensor | None:
        """[K] the kept rows."""
        return self.kept.rows if len(self.kept) else None

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """As many kept rows as new ones in every global batch, which is twice as large."""
        self.replayed = self.kept.chosen(~torch.isin(self.kept.rows, run.training_rows))
        if self.idle or not len(self.replayed):
            return plan
        run.log("memory/rows", float(len(self.replayed)))
        return interleaved(plan, self.replayed, run)

    def on_task_end(self, run: Run) -> None:
        """Offer the task's rows, and note what the new ones among the kept show."""
        if self.idle:
            return
        before = Reservoir(capacity=self.config.rows, seed=run.seed, rows=self.places, seen=self.seen)
        after = before.offered(run.training_rows.tolist())
        rows = torch.tensor(after.rows, dtype=torch.int64).unique()
        staying = self.kept.chosen(torch.isin(self.kept.rows, rows))
        fresh = recorded(run, rows[~torch.isin(rows, self.kept.rows)], targets=self.keeps_targets)
        self.kept = staying.joined(fresh)
        self.places, self.seen = after.rows, after.seen

    def state_dict(self) -> dict[str, Any]:
        """Kept rows, their places in the reservoir, and how many were offered."""
        places = torch.tensor(self.places, dtype=torch.int64)
        return {"kept": self.kept.state_dict(), "places": places, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.kept = KeptRows.from_state(state["kept"])
        self.places, self.seen = tuple(state["places"].tolist()), state["seen"]


def interleaved(plan: EpochPlan, kept: KeptRows, run: Run) -> EpochPlan:
    """The plan's rows in blocks of a batch, each followed by as many kept rows, in batches of twice the size.

    The number of steps stays that of the plan, and so does which of its rows a step sees. The order of the
    kept rows depends on (seed, task, epoch) alone.
    """
    size = plan.batch_size or run.batch_size
    block = min(size, len(plan.indices))
    steps = len(plan.indices) // block
    at = in_rounds(len(kept), steps * block, numpy_rng(run.seed, "replay", run.task, run.epoch))

    def blocks(new: Tensor, old: Tensor) -> Tensor:
        pieces = [rows.unflatten(0, (steps, block)) for rows in (new[: steps * block], old)]
        return torch.stack(pieces, dim=1).flatten(0, 2)

    return replace(
        plan,
        indices=blocks(plan.indices, kept.rows[at]),
        present=blocks(plan.present, kept.columns[PRESENT][at]),
        batch_size=2 * size,
    )


def replayed_losses(losses: Losses, step: Step, old: Tensor, beta: float) -> Losses:
    """The losses with `pose = mean over new rows + beta mean over replayed rows` of the global batch.

    old: [B] bool, which rows of this rank's share are replayed. Half of the global batch is, however the
    ranks share it, so each rank weighs rows and the average over ranks is exact.
    """
    rows = step.run.loss(step.outputs.pose, step.batch.pose)
    return losses | {POSE: 2 * torch.where(old, beta * rows, rows).mean()}
