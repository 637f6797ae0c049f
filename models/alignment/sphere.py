"""The shared space: unit vectors, and the rows of all ranks that they are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

Gather = Callable[[Tensor], Tensor]
"""Rows [R, D] of this rank to rows [B, D] of all, in rank order, with gradients: the backward pass must add
up what all ranks want of a row. Every rank must hold the same number of rows."""


def one_rank(rows: Tensor) -> Tensor:
    """The `Gather` of a rank that trains alone."""
    return rows


def unit(embeddings: Tensor) -> Tensor:
    """Embeddings [..., D] scaled to length 1; half precision becomes float32, a zero vector stays zero."""
    wide = embeddings.float() if embeddings.dtype in (torch.float16, torch.bfloat16) else embeddings
    return F.normalize(wide, dim=-1)


def for_decoders(embeddings: Tensor) -> Tensor:
    """Embeddings [..., D] as decoders get them: unit vectors times sqrt(D), so coordinates are of order 1.

    Whether UniHPE's decoders see normalised embeddings is not stated. Unnormalised ones would differ in
    length between modalities, which no loss controls.
    """
    return unit(embeddings) * math.sqrt(embeddings.shape[-1])


class SharedRows:
    """Unit embeddings of some modalities: this rank's rows, everyone's, and their cosines.

    Each matrix of cosines is computed once, for all losses that look at it.
    """

    def __init__(self, local: Mapping[str, Tensor], everyone: Mapping[str, Tensor], start: int) -> None:
        """local: modality -> [R, D]; everyone: -> [B, D], where the local rows begin at `start`."""
        self.local, self.everyone, self.start = local, everyone, start
        self.names: tuple[str, ...] = tuple(local)
        self.count, self.total = len(local[self.names[0]]), len(everyone[self.names[0]])
        self._cosines: dict[tuple[str, str], Tensor] = {}
        self._check()

    def _check(self) -> None:
        shapes = {name: tuple(rows.shape) for name, rows in self.local.items()}
        if len(set(shapes.values())) > 1 or any(len(shape) != 2 for shape in shapes.values()):
            raise ValueError(f"embeddings have shapes {shapes}; give [rows, D], the same for every modality")
        if not 0 <= self.start <= self.total - self.count:
            raise ValueError(
                f"start={self.start}: rows {self.start} to {self.start + self.count} are not among the "
                f"{self.total} gathered; start is the rank times the rows of a rank"
            )

    @classmethod
    def of(cls, embeddings: Mapping[str, Tensor], gather: Gather, start: int) -> Self:
        """From raw embeddings [R, D] of each modality; `gather` is called once for each, in their order."""
        local = {name: unit(rows) for name, rows in embeddings.items()}
        return cls(local, {name: gather(rows) for name, rows in local.items()}, start)

    @property
    def index(self) -> Tensor:
        """[R]: where the local rows stand among all."""
        return torch.arange(self.start, self.start + self.count, device=self.local[self.names[0]].device)

    def cosines(self, source: str, target: str) -> Tensor:
        """[R, B]: local rows of one modality against all rows of another."""
        if self.count == self.total:
            return self.all_cosines(source, target)
        return self.local[source] @ self.everyone[target].T

    def all_cosines(self, source: str, target: str) -> Tensor:
        """[B, B]: all rows of one modality against all rows of another."""
        if (target, source) in self._cosines:
            return self._cosines[target, source].T
        if (source, target) not in self._cosines:
            self._cosines[source, target] = self.everyone[source] @ self.everyone[target].T
        return self._cosines[source, target]

    def own_cosines(self, source: str, target: str) -> Tensor:
        """[R]: each local row of one modality against the same row of another."""
        return (self.local[source] * self.local[target]).sum(-1)
