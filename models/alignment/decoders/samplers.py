"""From noise to a pose: the ways through the reverse diffusion, all from one predictor.

The predictor maps noisy coordinates x [B, N] and a time t to an estimate of the clean pose and of the noise,
(x_0, z) with x = alpha x_0 + sigma z. The score is -z / sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor

from equipose.models.alignment.decoders.sde import alpha, beta, sigma, squared_diffusion

Predictor = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Normal = Callable[[], Tensor]
"""Fresh standard normal numbers [B, N]."""
Sampler = Callable[[Predictor, Tensor, int, Normal], Tensor]
"""(predictor, noise [B, N], steps, normal) -> poses [B, N]."""

END = 1e-3
"""Where the reverse process stops; sigma vanishes at 0."""

SamplerName = Literal["ddim", "mode_flow", "probability_flow", "sde"]


def ddim(predict: Predictor, x: Tensor, steps: int, normal: Normal) -> Tensor:
    """Song et al., "Denoising diffusion implicit models" (ICLR 2021), without noise: few steps are enough.

    Each step moves the estimates of pose and noise to an earlier time; the last returns the pose.
    """
    for step in range(steps):
        t = x.new_tensor(1 - step / steps)
        clean, noise = predict(x, t)
        if step == steps - 1:
            return clean
        earlier = x.new_tensor(1 - (step + 1) / steps)
        x = alpha(earlier) * clean + sigma(earlier) * noise
    return x


def _euler(
    predict: Predictor, x: Tensor, steps: int, normal: Normal, *, score_share: float, noisy: bool
) -> Tensor:
    """Euler-Maruyama from t = 1 to `END` as in GFPose: steps of 1 / steps; returns the last mean."""
    mean = x
    for t in torch.linspace(1, END, steps, dtype=x.dtype, device=x.device):
        rate, squared = beta(t), squared_diffusion(t)
        score = -predict(x, t)[1] / sigma(t)
        mean = x + (0.5 * rate * x + score_share * squared * score) / steps
        x = mean + (squared / steps).sqrt() * normal() if noisy else mean
    return mean


def sde(predict: Predictor, x: Tensor, steps: int, normal: Normal) -> Tensor:
    """The reverse stochastic equation: samples of the distribution."""
    return _euler(predict, x, steps, normal, score_share=1.0, noisy=True)


def probability_flow(predict: Predictor, x: Tensor, steps: int, normal: Normal) -> Tensor:
    """The ordinary equation with the same marginals: half the score, no noise."""
    return _euler(predict, x, steps, normal, score_share=0.5, noisy=False)


def mode_flow(predict: Predictor, x: Tensor, steps: int, normal: Normal) -> Tensor:
    """The reverse equation with the full score but no noise, which draws towards a mode.

    The public code of GFPose calls this its probability flow and takes its single-hypothesis numbers from it.
    """
    return _euler(predict, x, steps, normal, score_share=1.0, noisy=False)


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {"ddim": ddim, "mode_flow": mode_flow, "probability_flow": probability_flow, "sde": sde}
)
"""name -> sampler."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which sampler, how many steps, how many hypotheses; report `label` with every number.

    Which UniHPE's tables used is not stated.
    """

    sampler: SamplerName = "ddim"
    steps: int = 5
    hypotheses: int = 1
    """H; a single answer is their mean."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"sampler={self.sampler!r} is unknown; use one of {list(SAMPLERS)}")
        for name in ("steps", "hypotheses"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: use 1 or more")

    @property
    def label(self) -> str:
        """For tables: `ddim, 5 steps, 1 hypothesis`."""
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        many = "1 hypothesis" if self.hypotheses == 1 else f"mean of {self.hypotheses} hypotheses"
        return f"{self.sampler}, {steps}, {many}"
