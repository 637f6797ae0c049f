"""Singular values and the leading direction of three vectors, with gradients that stay finite.

torch's own gradients divide by the differences of eigenvalues, which vanish at full alignment. Here the
decomposition is taken without gradients, and its first-order change with the Gram matrix G is added:
d lambda_n = v_n' dG v_n, and d v_1 = sum_n v_n (v_n' dG v_1) / (lambda_1 - lambda_n).
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-6
"""Squared singular values below count as zero, as do smaller gaps between them."""


def _decomposed(gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues [B, M] and vectors [B, M, M], largest first; and G - G, zero with a gradient."""
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(gram)
    return values.flip(-1), vectors.flip(-1), gram - gram.detach()


def singular_values(rows: Tensor) -> Tensor:
    """[B, M], largest first, of rows [B, M, D]; at least sqrt(FLOOR)."""
    values, vectors, change = _decomposed(rows @ rows.mT)
    values = values + (vectors * (change @ vectors)).sum(-2)
    return values.clamp_min(FLOOR).sqrt()


def leading(rows: Tensor) -> Tensor:
    """[B, D] unit vectors: the direction of the largest singular value of rows [B, M, D], towards their mean.

    Where the two largest are equal, any direction of their plane is leading and its gradient is left out.
    """
    values, vectors, change = _decomposed(rows @ rows.mT)
    first, others = vectors[..., :1], vectors[..., 1:]
    gap = values[:, None, :1] - values[:, None, 1:]
    moved = (others.mT @ change @ first).mT / gap.clamp_min(FLOOR)
    first = first + others @ moved.masked_fill(gap < FLOOR, 0).mT
    direction = torch.nn.functional.normalize((first.mT @ rows).squeeze(1), dim=-1)
    side = (direction * rows.sum(1)).sum(-1, keepdim=True).detach()
    return torch.where(side < 0, -direction, direction)
