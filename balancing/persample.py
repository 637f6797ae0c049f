"""Squared per-sample gradients of a whole batch from one batched forward pass.

Instead of one backward pass per sample, the gradient at every layer's output is taken once for the whole
batch and combined with the layer's input row by row (Goodfellow 2015, arXiv 1510.01799, for linear
layers). Exact wherever samples do not influence each other, as in evaluation mode.

Legend: B samples, R rows of one layer call (B, or more where other axes are folded into the batch).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call

from balancing.factors import Factors, rule_of
from balancing.method import PerSampleLoss
from models.batch import Batch

Squares = dict[str, Tensor]
"""Parameter name -> sum over samples of the squared per-sample gradient."""


CERTAIN = 8
"""Samples that must all have equally many rows before a layer counts as folding a fixed axis."""


@dataclass(frozen=True)
class Call:
    """One call of a layer during the forward pass."""

    layer: nn.Module
    inputs: Tensor
    output: GradientEdge


@dataclass
class Tape:
    """Which layers own the wanted parameters, and their calls since the last `clear`."""

    names: dict[nn.Module, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """layer -> its own parameter name -> the model's name for it."""
    broadcast: list[str] = field(default_factory=list)
    """Parameters used outside any known layer with a leading axis of 1, which broadcasts over samples."""
    unknown: list[str] = field(default_factory=list)
    """Parameters that no rule covers."""
    calls: list[Call] = field(default_factory=list)
    folds: dict[nn.Module, int] = field(default_factory=dict)
    """Layers seen to take k rows per sample, sample after sample -> k; 0 where rows came otherwise."""

    def owner_is_known(self, call: Call, size: int) -> bool:
        """True where rows are samples, or folded as they were seen to be."""
        rows = len(call.inputs)
        return rows == size or rows == size * self.folds.get(call.layer, 0)

    def learn(self, call: Call, owner: Tensor, size: int) -> None:
        """Remember a layer's fold. Ragged rows could look folded by chance, but not over many samples."""
        even = len(owner) % size == 0
        expected = torch.arange(len(owner), device=owner.device) // max(len(owner) // size, 1)
        folded = even and bool(((owner == expected) | (owner < 0)).all())
        if not folded:
            self.folds[call.layer] = 0
        elif size >= CERTAIN:
            self.folds.setdefault(call.layer, len(owner) // size)

    def record(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        """Forward hook: remember a call; the edge stays right even if the output is edited in place."""
        if output.requires_grad:
            self.calls.append(Call(layer, args[0].detach(), get_gradient_edge(output)))


@contextmanager
def taped(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[Tape]:
    """Record the calls of every layer that owns one of the parameters, while the block lasts."""
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
) -> Squares:
    """Sum over the batch's samples of the squared gradient of each sample's own loss."""
    tape.calls.clear()
    size = len(batch)
    expanded = {n: parameters[n].detach().expand(size, *parameters[n].shape[1:]) for n in tape.broadcast}
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in expanded.items()}
    losses = loss(functional_call(model, leaves, (batch,)).pose, batch.pose)
    edges = [call.output for call in tape.calls]
    ragged = [i for i, call in enumerate(tape.calls) if not tape.owner_is_known(call, size)]
    targets = [*edges, *map(get_gradient_edge, leaves.values())]
    found = torch.autograd.grad(losses.sum(), targets, retain_graph=bool(ragged), allow_unused=True)
    gradients, loose = found[: len(edges)], found[len(edges) :]
    owners = _owners(losses, edges, gradients, ragged)
    for i, owner in owners.items():
        tape.learn(tape.calls[i], owner, size)
    pieces: dict[str, list[Factors]] = defaultdict(list)
    for i, (call, gradient) in enumerate(zip(tape.calls, gradients, strict=True)):
        if gradient is not None:
            for name, factors in _named_factors(tape, call, gradient).items():
                pieces[name].append(_by_sample(factors, owners.get(i), size))
    tape.calls.clear()
    squares = {name: _square(parts).view_as(parameters[name]) for name, parts in pieces.items()}
    squares |= {
        name: g.square().sum(0, keepdim=True) for name, g in zip(leaves, loose, strict=True) if g is not None
    }
    return squares


def looped_squares(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], batch: Batch, loss: PerSampleLoss
) -> Squares:
    """The same by one forward and backward pass per sample: slow, and right for any model."""
    squares = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for row in range(len(batch)):
        one = rows_of(batch, slice(row, row + 1))
        value = loss(model(one).pose, one.pose).sum()
        found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                squares[name] += gradient.square()
    return squares


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Some of a batch's samples, as views."""

    def cut(value: Any) -> Any:
        return {key: item[rows] for key, item in value.items()} if isinstance(value, dict) else value[rows]

    return Batch(**{f.name: cut(getattr(batch, f.name)) for f in fields(batch)})


def _owners(
    losses: Tensor, edges: list[GradientEdge], gradients: tuple[Tensor | None, ...], ragged: list[int]
) -> dict[int, Tensor]:
    """For calls with other rows than samples: the sample [R] that each row belongs to.

    A second backward pass weights sample b's loss with b + 1; each row's gradient grows by the number of
    its owner, read off its largest entry. -1 marks rows without gradient, which add nothing.
    """
    if not ragged:
        return {}
    numbers = torch.arange(1, len(losses) + 1, device=losses.device, dtype=losses.dtype)
    weighted = torch.autograd.grad((losses * numbers).sum(), [edges[i] for i in ragged], allow_unused=True)
    owners = {}
    for i, numbered in zip(ragged, weighted, strict=True):
        plain = gradients[i]
        if plain is not None and numbered is not None:
            a, b = plain.flatten(1), numbered.flatten(1)
            largest = a.abs().argmax(dim=1, keepdim=True)
            ratio = (b.gather(1, largest) / a.gather(1, largest)).squeeze(1).nan_to_num(0, 0, 0)
            owners[i] = ratio.round().long().clamp(0, len(losses)) - 1
    return owners


def _named_factors(tape: Tape, call: Call, gradient: Tensor) -> dict[str, Factors]:
    """The call's factors under the model's parameter names."""
    rule = rule_of(call.layer)
    assert rule is not None
    names = tape.names[call.layer]
    factors = rule(call.layer, call.inputs, gradient)
    return {names[own]: value for own, value in factors.items() if own in names}


def _by_sample(factors: Factors, owner: Tensor | None, size: int) -> Factors:
    """Rows [R, P, ...] regrouped as samples [B, P', ...]; rows without owner are left out."""
    gradient, inputs = factors
    if owner is None:
        return Factors(_folded(gradient, size), None if inputs is None else _folded(inputs, size))
    if inputs is None:
        total = gradient.sum(dim=1)
        sums = total.new_zeros(size + 1, total.shape[1]).index_add_(0, owner + 1, total)
        return Factors(sums[1:, None], None)
    rows = owner.argsort(stable=True)[int((owner < 0).sum()) :]
    owner = owner[rows]
    counts = owner.bincount(minlength=size)
    place = torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner]
    # Unused places repeat row 0 of the inputs, whose gradient there is zero.
    source = rows.new_zeros(size, int(counts.max())).index_put_((owner, place), rows)
    used = torch.zeros_like(source, dtype=gradient.dtype).index_put_((owner, place), gradient.new_ones(()))
    gathered = gradient[source] * used[..., None, None]
    return Factors(gathered.flatten(1, 2), inputs[source].flatten(1, 2))


def _folded(rows: Tensor, size: int) -> Tensor:
    """[B * k, P, ...] -> [B, k * P, ...]."""
    return rows.reshape(size, -1, *rows.shape[2:])


def _square(parts: list[Factors]) -> Tensor:
    """Sum over samples of the squared sum over positions, all calls' positions joined."""
    gradient = _joined([part.gradient for part in parts])
    inputs = [part.inputs for part in parts if part.inputs is not None]
    if not inputs:
        return gradient.sum(dim=1).square().sum(dim=0)
    if gradient.shape[1] == 1:
        return gradient[:, 0].square().T @ _joined(inputs)[:, 0].square()
    return torch.bmm(gradient.transpose(1, 2), _joined(inputs)).square_().sum(dim=0)


def _joined(tensors: list[Tensor]) -> Tensor:
    """One tensor along the positions, without a copy when there is only one."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)
