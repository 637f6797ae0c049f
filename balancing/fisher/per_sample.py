"""Squared per-sample gradients of a whole batch from one batched forward and backward pass.

Instead of one backward pass per sample, the gradient at every layer's output is taken once for the whole
batch and combined with the layer's input sample by sample (Goodfellow 2015, arXiv 1510.01799, for linear
layers). Exact wherever samples do not influence each other, as in evaluation mode, and every layer sees
equally many rows of each sample, sample after sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call

from equipose.balancing.fisher.layer_rules import Outer, rule_of, summed_squares
from equipose.balancing.losses import PerSampleLoss
from equipose.models.batch import Batch, rows_of

Squares = dict[str, Tensor]
"""Parameter name -> sum over samples of the squared per-sample gradient."""


@dataclass
class Tape:
    """Which layers own the wanted parameters, and which of them run during one forward pass."""

    names: dict[nn.Module, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """layer -> its own parameter name -> the model's name for it."""
    broadcast: list[str] = field(default_factory=list)
    """Parameters used outside any known layer with a leading axis of 1, which broadcasts over samples."""
    unknown: list[str] = field(default_factory=list)
    """Parameters that no rule covers."""
    current: Pass | None = None

    def record(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        """Forward hook: pass the call on to the current pass, if any."""
        if self.current is not None and output.requires_grad:
            self.current.record(layer, args[0], output)


@dataclass
class Pass:
    """One forward and backward pass; a layer's gradients are squared as soon as they exist.

    That keeps gradients in cache and frees them early.
    """

    names: Mapping[nn.Module, Mapping[str, str]]
    size: int
    calls: dict[nn.Module, int] = field(default_factory=lambda: defaultdict(int))
    entries: list[GradientEdge] = field(default_factory=list)
    """Where backward may stop: outputs of layers whose input needs no gradient."""
    uneven: bool = False
    """True once a layer has seen a number of rows that is not a multiple of the number of samples."""
    parts: dict[str, list[Outer | Tensor]] = field(default_factory=lambda: defaultdict(list))
    squares: Squares = field(default_factory=dict)

    def record(self, layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        """Register for the gradient of a call; it arrives even if the output is later edited in place."""
        self.calls[layer] += 1
        self.uneven |= len(inputs) % self.size != 0
        if not inputs.requires_grad:
            self.entries.append(get_gradient_edge(output))
        output.register_hook(partial(self.take, layer, inputs.detach()))

    def take(self, layer: nn.Module, inputs: Tensor, gradient: Tensor) -> None:
        """Turn a call's gradient into parts, and the parts into squares after the layer's last call."""
        rule, names = rule_of(layer), self.names[layer]
        assert rule is not None
        for own, value in rule(layer, inputs, gradient, self.size).items():
            if own in names:
                self.parts[names[own]].append(value)
                if len(self.parts[names[own]]) == self.calls[layer]:
                    self.squares[names[own]] = summed_squares(self.parts.pop(names[own]))


@contextmanager
def taped(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[Tape]:
    """Hooks on every layer that owns one of the parameters, inside the block."""
    tape = Tape()
    wanted = {id(parameter): name for name, parameter in parameters.items()}
    for layer in model.modules():
        for own, parameter in layer.named_parameters(recurse=False):
            name = wanted.get(id(parameter))
            if name is None:
                continue
            if rule_of(layer) is not None:
                tape.names[layer][own] = name
            elif parameter.shape[:1] == (1,):
                tape.broadcast.append(name)
            else:
                tape.unknown.append(name)
    handles = [layer.register_forward_hook(tape.record) for layer in tape.names]
    try:
        yield tape
    finally:
        for handle in handles:
            handle.remove()


def squared_gradients(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], tape: Tape, batch: Batch, loss: PerSampleLoss
) -> Squares | None:
    """Sum over the batch's samples of the squared gradient of each sample's own loss.

    None if a layer saw a number of rows that is not a multiple of the number of samples.
    """
    leaves = {name: _copies(parameters[name], len(batch)) for name in tape.broadcast}
    tape.current = current = Pass(tape.names, len(batch))
    try:
        losses = loss(functional_call(model, leaves, (batch,)).pose, batch.pose)
    finally:
        tape.current = None
    targets = [*map(get_gradient_edge, leaves.values()), *current.entries]
    current.entries.clear()  # a graph whose hooks hold its own nodes would never be freed
    if current.uneven:
        return None
    found = torch.autograd.grad(losses.sum(), targets, allow_unused=True)
    squares = {
        name: g.square().sum(0, keepdim=True) for name, g in zip(leaves, found, strict=False) if g is not None
    }
    squares |= current.squares | {name: summed_squares(parts) for name, parts in current.parts.items()}
    return {name: value.reshape(parameters[name].shape) for name, value in squares.items()}


def looped_squares(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], batch: Batch, loss: PerSampleLoss
) -> Squares:
    """The same by one forward and backward pass per sample: slow, but right for any model."""
    squares = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for row in range(len(batch)):
        one = rows_of(batch, slice(row, row + 1))
        value = loss(model(one).pose, one.pose).sum()
        found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                squares[name] += gradient.square()
    return squares


def _copies(parameter: Tensor, size: int) -> Tensor:
    """A parameter [1, ...] as a leaf [B, ...] with one copy per sample."""
    return parameter.detach().expand(size, *parameter.shape[1:]).clone().requires_grad_()
