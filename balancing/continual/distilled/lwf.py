"""Learning without forgetting (Li and Hoiem, ECCV 2016, arXiv 1606.09282) for a regression.

On the new task's rows the model is held to what the model of the task before predicts:

    L = l + alpha mean over rows of g(x) norm(f(x) - f_old(x)),

the norm being the task's own (mean joint distance, m). Plain: g = 1. Across rooms or people the old model is
wrong on the new rows, so this either freezes the model or does nothing; the gated form (ours) distils only
where the teacher is at home: `g(x) = exp(-e_old(x) / tau)`, with e_old the teacher's error on the new row,
whose true pose is there, and tau its mean error on its own task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.distances import distance_to
from equipose.balancing.continual.distilled.teacher import Teacher
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "lwf"


def gates(errors: Tensor, home: float) -> Tensor:
    """[B] exp(-e / tau) from the teacher's errors [B] m on new rows and tau, its mean error at home, m.

    Examples:
        >>> gates(torch.tensor([0.0, 0.1]), 0.1)
        tensor([1.0000, 0.3679])
    """
    return torch.exp(-errors / max(home, 1e-12))


class LwF(Method):
    """Keeps one copy of the model; a step costs one more forward pass."""

    carries_on = True
    joins_late = True

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The strength was not tuned for the gated form."""

        strength: float = searched(1.0, low=0.1, high=100.0)
        """alpha, m per m."""
        gated: bool = True
        """Distil where the teacher is right, or everywhere."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.teacher: Teacher | None = None
        """None in the first task."""
        self.home = 0.0
        """tau, m."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Add the distance to the teacher's poses."""
        if self.teacher is None or self.config.strength == 0:
            return losses
        run, batch = step.run, step.batch
        old = self.teacher.poses(run.model, batch)
        distances = distance_to(run.loss, step.outputs.pose, old)
        if self.config.gated:
            distances = distances * gates(run.loss(old, batch.pose), self.home)
        return with_term(losses, NAME, self.config.strength * distances.mean())

    def on_task_end(self, run: Run) -> None:
        """Make the model the teacher, and measure how good it is on its task."""
        if self.config.strength == 0:
            return
        total = torch.zeros(2, dtype=torch.float64, device=next(run.model.parameters()).device)
        with torch.no_grad(), evaluating(run.model):
            for batch in run.batches():
                error = run.loss(run.model(batch).pose, batch.pose).double().sum()
                total += torch.stack([error, error.new_tensor(len(batch))])
        error, count = run.mean(total).tolist()
        self.teacher, self.home = Teacher.of(run.model), error / count

    def state_dict(self) -> dict[str, Any]:
        """The teacher's weights and buffers, and its error."""
        return {"teacher": {} if self.teacher is None else self.teacher.state, "home": self.home}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.teacher = Teacher(dict(state["teacher"])) if state["teacher"] else None
        self.home = state["home"]
