"""Rows that the ranks of a run hold in parts, and what they know of all of them together.

Legend: N rows of all ranks, n rows of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SharedRows:
    """N rows, of which this rank holds n; everything that is joined is equal on all ranks."""

    count: int
    """N."""
    at: Tensor
    """[n] int64 positions of this rank's rows among all."""
    ranks: int
    """That share the rows."""
    mean: Callable[[Tensor], Tensor]
    """Average of a tensor over ranks, taken and given on the CPU."""

    def total(self, values: Tensor) -> Tensor:
        """The sum over ranks of a float64 tensor of any shape."""
        return self.mean(values) * self.ranks

    def joined(self, values: Tensor) -> Tensor:
        """[N, ...] float64 of all rows from [n, ...] of this rank's."""
        table = values.new_zeros((self.count, *values.shape[1:]), dtype=torch.float64)
        table[self.at] = values.double()
        return self.total(table)


def shared_rows(rows: Tensor, own: Tensor, mean: Callable[[Tensor], Tensor]) -> SharedRows:
    """The shared rows of a pass that has shown this rank its part.

    rows: [N] int64 rows of the store, ascending, the same on every rank; own: [n] int64 rows that this rank
    has seen. Each row belongs to one rank. Raises ValueError for rows that no rank has seen.
    """
    at = torch.searchsorted(rows, own)
    seen = torch.zeros(len(rows), dtype=torch.float64)
    seen[at] = 1
    seen = mean(seen)
    missing = rows[seen == 0]
    if len(missing):
        raise ValueError(f"no rank was shown the rows {missing[:5].tolist()}; score rows of the store only")
    return SharedRows(count=len(rows), at=at, ranks=round(1 / float(seen.max())), mean=mean)
