"""Pieces of a training step that a method takes itself (`Method.take_step`).

Such steps work on the bare model with `torch.autograd.grad`, which data-parallel wrappers do not notice, so
they average gradients and buffers over ranks themselves, in one flat reduction each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from equipose.balancing.method import Run, StepContext
from equipose.balancing.parts.gradients import assign_gradients, flat_gradient


def share_buffers(run: Run) -> None:
    """Average floating-point buffers, such as running statistics, over ranks, in place.

    DDP would copy those of its first rank at each of its forward passes, which own steps never call. Do it
    after the last gradient of a step: layers compute theirs with the statistics that they had.
    """
    buffers = [buffer for buffer in run.model.buffers() if buffer.is_floating_point()]
    if buffers:
        flat = run.mean(torch.cat([buffer.flatten() for buffer in buffers]))
        for buffer, piece in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(piece.view_as(buffer))


def joined_gradient(
    context: StepContext, loss: Tensor, parameters: Sequence[nn.Parameter], *, keep_graph: bool = False
) -> Tensor:
    """[P] gradient of this rank's loss in the parameters, averaged over ranks."""
    return context.run.mean(flat_gradient(loss, parameters, keep_graph=keep_graph))


def move(context: StepContext, gradient: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """One move of the optimiser along a flat gradient [P]; all other parameters stay where they are."""
    context.optimizer.zero_grad(set_to_none=True)
    assign_gradients(gradient, parameters)
    context.apply_gradients()


def other_parameters(model: nn.Module, *excluded: str) -> list[nn.Parameter]:
    """The parameters whose names do not begin with any of the excluded prefixes."""
    return [p for name, p in model.named_parameters() if not name.startswith(excluded)]


def head_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """modality -> parameters of its unimodal head."""
    heads = model.get_submodule("heads")
    return {name: list(head.parameters()) for name, head in heads.named_children()}


def tie(groups: Iterable[Sequence[nn.Parameter]]) -> None:
    """Set the parameters of every group to those of the first, which alone the optimiser moves."""
    first, *others = groups
    with torch.no_grad():
        for group in others:
            for parameter, source in zip(group, first, strict=True):
                parameter.copy_(source)
