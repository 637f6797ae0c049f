"""The ranks of one training run, and the few collectives that the loop and the methods need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The rank of this process among those that train together; `Ranks()` is training alone."""

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank must lie in [0, world_size={self.world_size}), got {self.rank}")

    @classmethod
    def current(cls) -> Ranks:
        """The ranks of the initialised process group, or training alone."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(rank=dist.get_rank(), world_size=dist.get_world_size())

    @property
    def first(self) -> bool:
        """True on the one rank that logs and writes checkpoints."""
        return self.rank == 0

    def mean(self, tensor: Tensor) -> Tensor:
        """Average over ranks, equal on all of them; the tensor itself when alone."""
        if self.world_size == 1:
            return tensor
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total / self.world_size

    def rows(self, local: Tensor) -> Tensor:
        """Rows [R, D] of this rank to those [B, D] of all ranks, in rank order; gradients flow back.

        Every rank must call it with as many rows. Each rank's loss counts once in the mean that data-parallel
        training takes of the gradients, so the backward pass adds up what all of them want of a row.
        """
        if self.world_size == 1:
            return local
        gathered: Tensor = _Rows.apply(local, self)
        return gathered

    def gather(self, value: Any) -> list[Any]:
        """`value` of every rank, in rank order, on every rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values


class _Rows(torch.autograd.Function):
    """`all_gather` whose backward pass is a sum over ranks; torch's own versions of it are deprecated."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, ranks: Ranks) -> Tensor:
        """[world_size R, D]."""
        ctx.own = slice(ranks.rank * len(local), (ranks.rank + 1) * len(local))
        parts = [torch.empty_like(local) for _ in range(ranks.world_size)]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """This rank's rows of the summed gradient."""
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.own], None
