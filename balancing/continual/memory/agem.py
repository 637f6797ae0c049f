"""Averaged gradient episodic memory (Chaudhry et al., ICLR 2019, arXiv 1812.00420).

With g the gradient of a step and r that of the loss on rows drawn from the memory,

    g <- g - (g.r / r.r) r    where g.r < 0,

so that a step does not raise the memory's loss, to first order. r is taken in evaluation mode, which leaves
batch statistics and dropout alone; unimodal heads are left out. Adam then scales the result, so the promise
is that of the gradient, not of the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.continual.memory.kept_rows import KeptRows, in_rounds
from equipose.balancing.continual.memory.rehearsal import Rehearsal, RehearsalConfig
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Step
from equipose.balancing.parts.gradients import flat_gradient
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.schedules import fixed_count
from equipose.models.randomness import numpy_rng

NAME = "agem"


def projected(gradient: Tensor, reference: Tensor) -> Tensor:
    """The gradient [P] float64 without what points against the reference [P].

    Examples:
        >>> projected(torch.tensor([-1.0, 1.0]), torch.tensor([2.0, 0.0])).tolist()
        [0.0, 1.0]
    """
    against = (gradient @ reference).clamp_max(0)
    tiny = torch.finfo(reference.dtype).tiny
    return gradient - against / (reference @ reference).clamp_min(tiny) * reference


def memory_gradient(run: Run, kept: KeptRows, rows: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """[P] float64 gradient of the mean loss on rows [n] of the memory; sums over ranks, divided once."""
    size = sum(p.numel() for p in parameters)
    total = torch.zeros(size + 1, dtype=torch.float64, device=parameters[0].device)
    with evaluating(run.model), torch.enable_grad():
        for batch in map(kept.visible, run.rows(rows)):
            loss = run.loss(run.model(batch).pose, batch.pose).sum()
            total[:-1] += flat_gradient(loss, parameters, keep_graph=False)
            total[-1] += len(batch)
    joined = run.mean(total)
    return joined[:-1] / joined[-1]


class AGEM(Rehearsal):
    """Uses the memory for the direction of a step only; the epoch's plan stays."""

    @dataclass(frozen=True, kw_only=True)
    class Config(RehearsalConfig):
        """Sizes of the memory and of the draw; there is nothing to tune."""

        name: ClassVar[str] = NAME
        reference: int = fixed_count(64)
        """Rows drawn from the memory in every step; 0 turns the method off."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.at_least(NAME, self, "reference", 0)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.turned = torch.zeros(())
        """Steps of the epoch so far whose gradient was changed."""

    @property
    def idle(self) -> bool:
        """Without a draw there is nothing to compare with."""
        return self.config.reference == 0

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """Unchanged: the memory is visited beside the plan."""
        return plan

    def shape_gradients(self, step: Step) -> None:
        """Compare with the memory's gradient, and project."""
        if self.idle or not len(self.kept):
            return
        run = step.run
        moving = [p for p in trained_parameters(run.model).values() if p.grad is not None]
        rng = numpy_rng(run.seed, NAME, run.task, run.epoch, step.index)
        rows = self.kept.rows[in_rounds(len(self.kept), min(self.config.reference, len(self.kept)), rng)]
        reference = memory_gradient(run, self.kept, rows, moving)
        gradients = [p.grad for p in moving if p.grad is not None]
        flat = torch.cat([gradient.double().flatten() for gradient in gradients])
        changed = projected(flat, reference)
        for gradient, part in zip(gradients, changed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        self._record(step, (flat @ reference < 0).double())

    def _record(self, step: Step, turned: Tensor) -> None:
        """Log the share of the epoch's steps that were changed, so far."""
        self.turned = turned if step.index == 0 else self.turned + turned
        step.run.log("method/projected", self.turned / (step.index + 1))
