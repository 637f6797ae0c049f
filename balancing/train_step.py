"""One optimisation step: the plain one, which almost every method keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from equipose.balancing.method import POSE, Losses, Method, Run, Step, total_loss
from equipose.models.batch import Batch, Outputs
from equipose.models.errors import mpjpe


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """What a step works on, whichever method takes it."""

    run: Run
    wrapped: nn.Module
    """The model, or DDP around it: call it once per backward, or not at all."""
    optimizer: torch.optim.Optimizer
    batch: Batch
    """This rank's share."""
    view: Callable[[Outputs], Step]
    """Builds the method's view of the step from the model's outputs."""
    clip_norm: float | None = None
    """Largest norm of the whole gradient; None does not clip."""

    def apply_gradients(self) -> None:
        """Clip, then let the optimiser move the weights."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.wrapped.parameters(), self.clip_norm)
        self.optimizer.step()


def take_step(method: Method, stepping: Stepping) -> Losses:
    """The step of the method's own, or the plain one."""
    return method.take_step(stepping) if method.owns_step else plain_step(method, stepping)


def plain_step(method: Method, stepping: Stepping) -> Losses:
    """Forward, method-shaped losses and backward, method-shaped gradients, optimiser step."""
    stepping.optimizer.zero_grad(set_to_none=True)
    outputs: Outputs = stepping.wrapped(stepping.batch)
    view = stepping.view(outputs)
    losses = method.shape_losses(task_losses(outputs, stepping.batch), view)
    if method.owns_backward:
        method.backward(losses, view)
    else:
        total_loss(losses).backward()
    method.shape_gradients(view)
    stepping.apply_gradients()
    return {name: loss.detach() for name, loss in losses.items()}


def task_losses(outputs: Outputs, batch: Batch) -> Losses:
    """MPJPE in metres (paper A, L_MPJPE) of the joint head and of every unimodal head."""
    losses = {POSE: mpjpe(outputs.pose, batch.pose).mean()}
    for modality, pose in outputs.unimodal.items():
        losses[f"{POSE}/{modality}"] = mpjpe(pose, batch.pose).mean()
    return losses
