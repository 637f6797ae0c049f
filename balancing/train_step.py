"""One optimisation step: the plain one, which almost every method keeps."""

from __future__ import annotations

from equipose.balancing.losses import POSE, Losses, total_loss
from equipose.balancing.method import Method, StepContext
from equipose.models.batch import Batch, Outputs
from equipose.models.pose_errors import mpjpe


def take_step(method: Method, context: StepContext) -> Losses:
    """The method's own step if it replaces the step, else the plain one; returns the detached losses."""
    return method.take_step(context) if method.replaces_step else plain_step(method, context)


def plain_step(method: Method, context: StepContext) -> Losses:
    """Forward, method-shaped losses and backward, method-shaped gradients, optimiser step."""
    context.optimizer.zero_grad(set_to_none=True)
    outputs: Outputs = context.wrapped(context.batch)
    step = context.step(outputs)
    losses = method.shape_losses(task_losses(outputs, context.batch), step)
    if method.owns_backward:
        method.backward(losses, step)
    else:
        total_loss(losses).backward()
    method.shape_gradients(step)
    context.apply_gradients()
    return {name: loss.detach() for name, loss in losses.items()}


def task_losses(outputs: Outputs, batch: Batch) -> Losses:
    """MPJPE in metres (AWC paper, L_MPJPE) of the joint head and of every unimodal head."""
    losses = {POSE: mpjpe(outputs.pose, batch.pose).mean()}
    for modality, pose in outputs.unimodal.items():
        losses[f"{POSE}/{modality}"] = mpjpe(pose, batch.pose).mean()
    return losses
