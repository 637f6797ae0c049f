"""How the strength of a penalty is spread over the sensors; every rule gives 1 where sensors are alike.

Legend: M modalities; p [M] shares of the contribution, which sum to 1; e [M] errors of each sensor alone, m.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

PerSensor = Literal["none", "share", "inverse", "drift"]
LEAST = 0.1
"""Smallest factor by share, so that a sensor without contribution is not left free altogether."""


def by_share(shares: Tensor) -> Tensor:
    """[M] M p_m, at least `LEAST`: what contributes most is held most.

    Examples:
        >>> by_share(torch.tensor([0.75, 0.25, 0.0], dtype=torch.float64)).tolist()
        [2.25, 0.75, 0.1]
    """
    return (len(shares) * shares).clamp_min(LEAST)


def by_inverse_share(shares: Tensor) -> Tensor:
    """[M] the reciprocal of `by_share`, with mean 1: what contributes least is held most."""
    inverse = 1 / by_share(shares)
    return inverse / inverse.mean()


def by_drift(before: Tensor, now: Tensor, kappa: float) -> Tensor:
    """[M] 1 / (1 + kappa d_m), d_m = e_now / e_before - 1: a sensor that fits the new task worse is freer.

    before, now: errors alone, on the old task and on the new one before training on it. kappa in (0, 1].
    """
    drift = now / before.clamp_min(1e-12) - 1
    return 1 / (1 + kappa * drift).clamp_min(1e-12)


def sensor_factors(
    rule: PerSensor, shares: Tensor, before: Tensor, now: Tensor | None, kappa: float
) -> Tensor:
    """[M] a_m by one of the rules; `now` is only used by drift."""
    if rule == "share":
        return by_share(shares)
    if rule == "inverse":
        return by_inverse_share(shares)
    if rule == "drift" and now is not None:
        return by_drift(before, now, kappa)
    return torch.ones_like(shares)
