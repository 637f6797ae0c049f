"""The learnt temperature tau that all losses of a run share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class Temperature(nn.Module):
    """tau as the parameter log(1 / tau), in the way of CLIP (Radford et al., ICML 2021).

    Call `clamp_` after every optimiser step. Clamping in the forward pass instead would cut the gradient
    off at the bound, and tau could never leave it.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Start and range. UniHPE's stages: 1/14 in [1/100, 1e4], 1/5 in [1/10, 1e4], 1/5 in [1/5, 1e4].

        That tau is learnt through its logarithm is inferred from the range, which is that of CLIP.
        """

        start: float = 1 / 5
        low: float = 1 / 100
        high: float = 1e4
        learnt: bool = True

        def __post_init__(self) -> None:
            if not 0 < self.low <= self.start <= self.high:
                raise ValueError(
                    f"tau: start={self.start} must lie in [low={self.low}, high={self.high}], low above 0"
                )

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.log_inverse = nn.Parameter(torch.tensor(-math.log(config.start)), requires_grad=config.learnt)

    @property
    def inverse(self) -> Tensor:
        """1 / tau, a scalar with a gradient."""
        return self.log_inverse.exp()

    @property
    def tau(self) -> float:
        """The temperature now."""
        return math.exp(-self.log_inverse.item())

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring tau back into its range."""
        self.log_inverse.clamp_(-math.log(self.config.high), -math.log(self.config.low))
