"""GDumb (Prabhu et al., ECCV 2020): keep a balanced memory, and train a new model on nothing else.

A control: what a memory is worth by itself. Every task has an equal part of the memory, the current one too,
drawn at random; the paper balances classes, which a regression does not have. An epoch has as many steps as a
plain one, and from the second task on the weights start anew (`Method.from_scratch`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from equipose.balancing.continual.memory.kept_rows import PRESENT, KeptRows, in_rounds, recorded
from equipose.balancing.continual.memory.rehearsal import RehearsalConfig
from equipose.balancing.method import Method
from equipose.balancing.run import EpochPlan, Run
from equipose.models.randomness import numpy_rng

NAME = "gdumb"


def parts(capacity: int, tasks: int) -> list[int]:
    """Rows of each task in a memory; what does not divide goes to the first ones.

    Examples:
        >>> parts(200, 3)
        [67, 67, 66]
    """
    return [capacity // tasks + (task < capacity % tasks) for task in range(tasks)]


class GDumb(Method):
    """Trains on the memory only, in the first task too."""

    carries_on = True
    from_scratch = True

    @dataclass(frozen=True, kw_only=True)
    class Config(RehearsalConfig):
        """Size of the memory; there is nothing to tune."""

        name: ClassVar[str] = NAME

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.tasks: list[KeptRows] = []
        """Rows of every finished task."""

    @property
    def memory(self) -> Tensor | None:
        """[K] rows of earlier tasks."""
        return torch.cat([task.rows for task in self.tasks]).unique() if self.tasks else None

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The balanced memory, over and over, for as many visits as were planned."""
        quotas = parts(self.config.rows, len(self.tasks) + 1)
        own = self._own(run, quotas[-1])
        rows, present = [own], [torch.ones(len(own), plan.present.shape[1], dtype=torch.bool)]
        for task in self._balanced(run, quotas[:-1]):
            rows.append(task.rows)
            present.append(task.columns[PRESENT])
        order = numpy_rng(run.seed, NAME, "order", run.task, run.epoch)
        at = in_rounds(sum(map(len, rows)), len(plan.indices), order)
        return replace(plan, indices=torch.cat(rows)[at], present=torch.cat(present)[at])

    def on_task_end(self, run: Run) -> None:
        """Keep the task's part, and only as much of the others as is theirs now."""
        quotas = parts(self.config.rows, len(self.tasks) + 1)
        own = recorded(run, self._own(run, quotas[-1]))
        self.tasks = [*self._balanced(run, quotas[:-1]), own]

    def _own(self, run: Run, most: int) -> Tensor:
        """Rows of the current task, drawn at random; a smaller draw is part of a larger one."""
        order = numpy_rng(run.seed, NAME, "task", run.task).permutation(len(run.training_rows))
        return run.training_rows[torch.from_numpy(order[:most].copy())].sort().values

    def _balanced(self, run: Run, quotas: list[int]) -> list[KeptRows]:
        """The finished tasks, each cut to its part at random."""
        cut = []
        for number, (task, most) in enumerate(zip(self.tasks, quotas, strict=True)):
            order = numpy_rng(run.seed, NAME, "part", number, len(self.tasks)).permutation(len(task))
            cut.append(task.chosen(torch.from_numpy(order[:most].copy()).sort().values))
        return cut

    def state_dict(self) -> dict[str, Any]:
        """Rows of every finished task."""
        return {"tasks": [task.state_dict() for task in self.tasks]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.tasks = [KeptRows.from_state(task) for task in state["tasks"]]
