"""One optimisation step: the plain one, which almost every method keeps."""

from __future__ import annotations

from equipose.balancing.losses import Losses, total_loss
from equipose.balancing.method import Method, StepContext
from equipose.models.batch import Outputs


def take_step(method: Method, context: StepContext) -> Losses:
    """The method's own step if it replaces the step, else the plain one; returns the detached losses."""
    return method.take_step(context) if method.replaces_step else plain_step(method, context)


def plain_step(method: Method, context: StepContext) -> Losses:
    """Forward, method-shaped losses and backward, method-shaped gradients, optimiser step."""
    context.optimizer.zero_grad(set_to_none=True)
    outputs: Outputs = context.wrapped(context.batch)
    step = context.step(outputs)
    losses = method.shape_losses(context.objective.losses(step), step)
    if method.owns_backward:
        method.backward(losses, step)
        usable = True
    else:
        usable = context.backward(total_loss(losses), context.wrapped.parameters())
    if usable:
        method.shape_gradients(step)
        context.apply_gradients()
    return {name: loss.detach() for name, loss in losses.items()}
