"""One scale for all evidence: distances from the median in robust spreads, large ones compressed."""

from __future__ import annotations

import torch
from torch import Tensor

NORMAL = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


def robust_z(values: Tensor) -> Tensor:
    """(values - median) / (1.4826 median absolute deviation) for each column of [N, ...]; NaN stays NaN.

    Where more than half of the values are equal their spread is 0: the standard deviation takes its place,
    and values that are all equal become 0.

    >>> [round(z, 2) for z in robust_z(torch.tensor([1.0, 2.0, 3.0, 4.0, 103.0])).tolist()]
    [-1.35, -0.67, 0.0, 0.67, 67.45]
    """
    centre, spread = robust_scale(values)
    return (values - centre) / spread


def robust_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Median and robust spread of each column of [N, ...], see `robust_z`."""
    centre = values.nanquantile(0.5, dim=0)
    away = values - centre
    spread = NORMAL * away.abs().nanquantile(0.5, dim=0)
    known = (~values.isnan()).sum(dim=0).clamp_min(1)
    deviation = (away.square().nansum(dim=0) / known).sqrt()
    return centre, torch.where(spread > 0, spread, torch.where(deviation > 0, deviation, 1.0))


def compressed(values: Tensor) -> Tensor:
    """2 asinh(x / 2): like x around 0 and like sign(x) 2 log |x| far out.

    One wild reading then does not set the scale of a mixture. The plainer sign(x) log(1 + |x|) would not do:
    it gives a normal distribution two humps, which a mixture takes for two kinds of reading.

    >>> [round(value, 3) for value in compressed(torch.tensor([-0.1, 0.0, 100.0])).tolist()]
    [-0.1, 0.0, 9.211]
    """
    return 2 * (values / 2).asinh()
