"""The sub-VP diffusion: how a clean pose becomes noise as t goes from 0 to 1.

Song et al., "Score-based generative modeling through stochastic differential equations" (ICLR 2021), section
3.4, with beta from 0.1 to 20 as in GFPose: dx = -1/2 beta x dt + g dw, and x_t = alpha x_0 + sigma z.
"""

from __future__ import annotations

import torch
from torch import Tensor

BETA_START = 0.1
BETA_END = 20.0


def beta(t: Tensor) -> Tensor:
    """Rate at time t in [0, 1]."""
    return BETA_START + t * (BETA_END - BETA_START)


def alpha(t: Tensor) -> Tensor:
    """What is left of the pose: exp(-1/2 integral of beta); 0.0066 at t = 1."""
    return torch.exp(-0.25 * t**2 * (BETA_END - BETA_START) - 0.5 * t * BETA_START)


def sigma(t: Tensor) -> Tensor:
    """Standard deviation of the noise: 1 - alpha^2."""
    return -torch.expm1(2 * alpha(t).log())


def squared_diffusion(t: Tensor) -> Tensor:
    """g^2 = beta (1 - alpha^4)."""
    return beta(t) * -torch.expm1(4 * alpha(t).log())
