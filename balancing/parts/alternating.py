"""Building blocks for methods that replace the training step (`Method.take_step`).

Such steps work on the bare model with `torch.autograd.grad`, which bypasses data-parallel wrappers, so they
average gradients and buffers over ranks themselves, in one flat reduction each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from equipose.balancing.method import StepContext
from equipose.balancing.parts.gradients import assign_gradients, flat_gradient
from equipose.balancing.run import Run


def share_buffers(run: Run) -> None:
    """Average floating-point buffers, such as running statistics, over ranks, in place.

    DDP would copy those of rank 0 at each forward pass, which such steps never call. Call it after the last
    gradient of a step, because gradients depend on the statistics.
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
    """One optimiser step with a flat gradient [P]; all other parameters stay unchanged."""
    context.optimizer.zero_grad(set_to_none=True)
    assign_gradients(gradient, parameters)
    context.apply_gradients()


def other_parameters(model: nn.Module, *excluded: str) -> list[nn.Parameter]:
    """The parameters whose names start with none of the excluded prefixes."""
    return [p for name, p in model.named_parameters() if not name.startswith(excluded)]


def head_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """modality -> parameters of its unimodal head."""
    heads = model.get_submodule("heads")
    return {name: list(head.parameters()) for name, head in heads.named_children()}


def tie(groups: Iterable[Sequence[nn.Parameter]]) -> None:
    """Copy the parameters of the first group, the only one that is optimised, to all others."""
    first, *others = groups
    with torch.no_grad():
        for group in others:
            for parameter, source in zip(group, first, strict=True):
                parameter.copy_(source)
