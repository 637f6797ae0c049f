"""The diagonal of the empirical Fisher information, and the quadratic penalty that it weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.fisher.per_sample import Squares, Tape, looped_squares, squared_gradients, taped
from equipose.balancing.fisher.pieces import chunks, parts_of
from equipose.balancing.losses import PerSampleLoss
from equipose.models.batch import Batch, rows_of

if TYPE_CHECKING:
    from equipose.models.model import PoseModel

FisherMode = Literal["per_sample", "per_batch"]
_CHECKED: MutableMapping[nn.Module, dict[frozenset[str], list[str]]] = WeakKeyDictionary()
"""model -> names of the parameters -> those that the batched form gets wrong."""


def fisher_diagonal(
    model: PoseModel,
    batches: Iterable[Batch],
    loss: PerSampleLoss,
    *,
    mode: FisherMode = "per_sample",
    parameters: Mapping[str, nn.Parameter] | None = None,
    mean: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> dict[str, Tensor]:
    """Average squared gradient of the loss at the current weights (AWC paper, eq. of the FIM diagonal).

    `per_sample` squares every sample's own gradient, as the equation is written; `per_batch` squares the
    gradient of each batch's mean loss, joined over ranks, as much continual-learning code does (smaller by
    up to the batch size; give it shuffled batches, as gradients of neighbouring frames do not cancel).
    The model runs in evaluation mode, so dropout is off, running statistics stay, and samples do not
    influence each other.

    batches: this rank's share. parameters: name -> parameter; None takes all encoder parameters. mean:
    averages a tensor over ranks. Returns name -> tensor of the parameter's shape and dtype, summed in
    float64, equal on all ranks; its unit is that of the loss, squared, over that of the parameter, squared.
    Raises ValueError if no rank has a batch.
    """
    if parameters is None:
        parameters = {n: p for group in model.encoder_parameters().values() for n, p in group.items()}
    wanted = {name: p for name, p in parameters.items() if p.requires_grad}
    with evaluating(model), torch.enable_grad():
        if mode == "per_sample":
            flat = _per_sample(model, batches, loss, wanted, mean)
        elif mode == "per_batch":
            flat = _per_batch(model, batches, loss, wanted, mean)
        else:
            raise ValueError(f"unknown Fisher mode {mode!r}; known: ['per_batch', 'per_sample']")
    split = flat.split([p.numel() for p in wanted.values()])
    return {name: part.view_as(p).to(p.dtype) for (name, p), part in zip(wanted.items(), split, strict=True)}


def fisher_trace(fisher: Mapping[str, Tensor]) -> float:
    """Sum of the diagonal over all parameters."""
    return float(sum(tensor.double().sum() for tensor in fisher.values()))


def quadratic_penalty(
    parameters: Mapping[str, Tensor], anchor: Mapping[str, Tensor], fisher: Mapping[str, Tensor]
) -> Tensor:
    """`sum 1/2 F (theta - anchor)^2` as a scalar that can be differentiated once (AWC paper, eq. of L_W^m).

    The three mappings share names and shapes. Raises ValueError where names differ.

    Examples:
        >>> weight = torch.tensor([3.0, 5.0])
        >>> anchor, fisher = torch.tensor([1.0, 5.0]), torch.tensor([2.0, 7.0])
        >>> quadratic_penalty({"w": weight}, {"w": anchor}, {"w": fisher})
        tensor(4.)
    """
    if not parameters.keys() == anchor.keys() == fisher.keys():
        raise ValueError(
            f"names differ: parameters {sorted(parameters)}, anchor {sorted(anchor)}, fisher {sorted(fisher)}"
        )
    anchors, weights = tuple(anchor[name] for name in parameters), tuple(fisher[name] for name in parameters)
    value: Tensor = _Quadratic.apply(anchors, weights, *parameters.values())
    return value


class _Quadratic(torch.autograd.Function):
    """The penalty in a few fused calls over all tensors; keeps its gradient F (theta - anchor).

    Anchors and Fisher diagonals are passed as tuples, which autograd does not inspect: tracking hundreds of
    constants took about a sixth of the penalty's time.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        anchors: tuple[Tensor, ...],
        fisher: tuple[Tensor, ...],
        *parameters: Tensor,
    ) -> Tensor:
        """Anchors and diagonals are in the order of the parameters."""
        moved = torch._foreach_sub(parameters, anchors)
        pull = torch._foreach_mul(moved, fisher)
        ctx.pull = pull  # type: ignore[attr-defined]
        torch._foreach_mul_(moved, pull)
        return 0.5 * torch.stack([product.sum() for product in moved]).sum()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The upstream scalar times F (theta - anchor)."""
        pull = torch._foreach_mul(ctx.pull, gradients[0])  # type: ignore[attr-defined]
        return (None, None, *pull)


def _per_sample(
    model: PoseModel,
    batches: Iterable[Batch],
    loss: PerSampleLoss,
    parameters: Mapping[str, nn.Parameter],
    mean: Callable[[Tensor], Tensor],
) -> Tensor:
    """[P] float64 over all parameters: sums and counts are reduced over ranks, then divided."""
    total = _Total(parameters)
    count = 0
    with taped(model, parameters) as tape:
        for chunk in chunks(model, batches):
            total.add(_squares(model, parameters, tape, chunk, loss))
            count += len(chunk)
    return _ratio(mean(torch.cat([total.flat, total.flat.new_tensor([count])])))


def _per_batch(
    model: PoseModel,
    batches: Iterable[Batch],
    loss: PerSampleLoss,
    parameters: Mapping[str, nn.Parameter],
    mean: Callable[[Tensor], Tensor],
) -> Tensor:
    """[P] float64: gradients are averaged over ranks before they are squared.

    Ranks may hold different numbers of batches: a rank that has run out adds nothing until all have.
    """
    squares = _Total(parameters)
    steps = 0
    shares = iter(batches)
    while True:
        joined = _Total(parameters)
        batch = next(shares, None)
        size = 0 if batch is None else len(batch)
        for part in () if batch is None else parts_of(model, batch):
            value = loss(model(part).pose, part.pose).sum()
            found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
            joined.add({n: g for n, g in zip(parameters, found, strict=True) if g is not None})
        reduced = mean(torch.cat([joined.flat, joined.flat.new_tensor([size])]))
        if reduced[-1] == 0:
            return _ratio(torch.cat([squares.flat, squares.flat.new_tensor([steps])]))
        squares.flat += _ratio(reduced).square_()
        steps += 1


class _Total:
    """One float64 vector with a named view per parameter."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        device = next((p.device for p in parameters.values()), torch.device("cpu"))
        sizes = [p.numel() for p in parameters.values()]
        self.flat = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
        parts = self.flat.split(sizes)
        self.views = {name: v.view_as(p) for (name, p), v in zip(parameters.items(), parts, strict=True)}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add tensors under their names."""
        for name, value in values.items():
            self.views[name] += value


def _ratio(sum_and_count: Tensor) -> Tensor:
    """[P + 1] -> [P]: everything over the last entry."""
    if sum_and_count[-1] == 0:
        raise ValueError("no batch to estimate Fisher information on; give at least one")
    return sum_and_count[:-1] / sum_and_count[-1]


def _squares(
    model: PoseModel, parameters: Mapping[str, nn.Parameter], tape: Tape, chunk: Batch, loss: PerSampleLoss
) -> Squares:
    """The batched squares if they are known to be right, else those of the loop."""
    wrong = _wrong(model, parameters, tape, chunk, loss)
    if wrong is None:
        return looped_squares(model, parameters, chunk, loss)
    squares = None if wrong else squared_gradients(model, parameters, tape, chunk, loss)
    if squares is not None:
        return squares
    warnings.warn(
        f"no exact batched rule for the per-sample gradients of {wrong or 'layers with uneven rows'}; using "
        "one backward pass per sample, which is slow. Add a rule for their layers in "
        "equipose.balancing.fisher.layer_rules, give each sample the same number of rows, "
        "or use mode='per_batch'",
        stacklevel=2,
    )
    return looped_squares(model, parameters, chunk, loss)


def _wrong(
    model: PoseModel, parameters: Mapping[str, nn.Parameter], tape: Tape, chunk: Batch, loss: PerSampleLoss
) -> list[str] | None:
    """Names that the batched form gets wrong on two samples; checked once per model and set of parameters.

    The comparison catches layers without a rule, weights used outside their layer, and samples that
    influence each other or are in another order, none of which a layer's class shows.
    None if there is only one sample, which cannot tell.
    """
    known = _CHECKED.setdefault(model, {})
    names = frozenset(parameters)
    if names not in known:
        if len(chunk) < 2:
            return None
        known[names] = list(tape.unknown)
        if not tape.unknown:
            probe = rows_of(chunk, slice(0, 2))
            slow = looped_squares(model, parameters, probe, loss)
            fast = squared_gradients(model, parameters, tape, probe, loss)
            known[names] = _disagreeing(slow, {} if fast is None else fast)
    return known[names]


def _disagreeing(slow: Squares, fast: Squares, tolerance: float = 1e-2) -> list[str]:
    """Names where the two differ by more than rounding."""
    floor = 1e-9 * max((float(value.max()) for value in slow.values()), default=0.0)
    wrong = []
    for name, value in slow.items():
        error = float((fast.get(name, torch.zeros_like(value)) - value).abs().max())
        if error > tolerance * float(value.max()) + floor:
            wrong.append(name)
    return wrong
