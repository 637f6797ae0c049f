"""The largest eigenvalue of the Gram matrix of three unit vectors, in closed form.

G = [[1, a, b], [a, 1, c], [b, c, 1]] holds their cosines; lambda1 is the square of the largest singular value
of the stacked vectors, UniHPE's measure of how well three embeddings agree (section on L_triplet). It lies in
[1, 3]: 3 where all are parallel, 1 where all are orthogonal. It is blind to signs: (x, -x, x) also gives 3.

mu = lambda1 - 1 is the largest root of mu^3 - p mu - 2 q = 0 with p = a^2 + b^2 + c^2 and q = a b c. All
steps below divide by s = sqrt(p / 3): m = mu / s solves m^3 - 3 m = 2 r with r = q / s^3, so
m = 2 cos(acos(r) / 3).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def largest_eigenvalue(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """lambda1 of the Gram matrices with cosines a, b, c, in their common broadcast shape.

    Value and gradient are finite for all finite a, b, c. The gradient is 2 v_i v_j with v the eigenvector of
    lambda1; it is zero where lambda1 is no simple eigenvalue, as there it does not exist.

    Examples:
        >>> one = torch.ones(())
        >>> largest_eigenvalue(one, one, one).item()
        3.0
        >>> largest_eigenvalue(0 * one, 0 * one, 0 * one).item()
        1.0
    """
    result: Tensor = _LargestEigenvalue.apply(*torch.broadcast_tensors(a, b, c))
    return result


class _LargestEigenvalue(torch.autograd.Function):
    """Autograd through acos gives NaN at a = b = c, that is, exactly at full alignment; this does not."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """lambda1 of cosines of equal shape."""
        scale, a, b, c = _scaled(a, b, c)
        m = _largest_root((a * b).mul_(c).clamp_(-1, 1))
        ctx.save_for_backward(a, b, c, m)
        # Addition of 1 last: where the vectors are orthogonal, scale is 0 and the result exactly 1.
        return (m * scale).add_(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients in the three cosines; 0 at a double root."""
        a, b, c, m = ctx.saved_tensors
        simple = _slope(m)
        factor = (2 * grad).div_(simple).masked_fill_(simple <= _tolerance(m.dtype), 0)
        limit = grad.abs()
        # d lambda1 / d a = 2 (a mu + b c) / (3 mu^2 - p) = 2 v_1 v_2, which never leaves [-1, 1]; close to a
        # double root rounding could.
        return tuple(
            torch.addcmul(x * m, y, z).mul_(factor).clamp_(-limit, limit)
            for x, y, z in ((a, b, c), (b, a, c), (c, a, b))
        )  # type: ignore[return-value]


def _scaled(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """s = sqrt(p / 3), then a / s, b / s, c / s, which are zero where s is."""
    p = torch.addcmul(torch.addcmul(a * a, b, b), c, c)
    scale = p.div_(3).sqrt_()
    inverse = scale.reciprocal().masked_fill_(scale == 0, 0)
    return scale, a * inverse, b * inverse, c * inverse


def _largest_root(r: Tensor) -> Tensor:
    """The largest root m in [1, 2] of m^3 - 3 m = 2 r for r in [-1, 1], with one Newton step."""
    m = r.acos().div_(3).cos_().mul_(2)
    slope = _slope(m)
    error = (m * m).sub_(3).mul_(m).sub_(r, alpha=2)
    step = error.div_(slope).masked_fill_(slope <= math.sqrt(_tolerance(m.dtype)), 0)
    return m.sub_(step)


def _slope(m: Tensor) -> Tensor:
    """3 (m^2 - 1), the derivative of m^3 - 3 m: zero where the two largest eigenvalues are equal."""
    return torch.addcmul(torch.full_like(m, -3), m, m, value=3)


def _tolerance(dtype: torch.dtype) -> float:
    """Slopes below are rounding: in a simple root by one unit, m^2 - 1 is off by as much."""
    return 16 * torch.finfo(dtype).eps
