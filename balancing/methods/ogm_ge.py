"""OGM-GE: slow down the encoders of the modalities ahead, and restore the gradient noise that this removes.

Peng et al., "Balanced Multimodal Learning via On-the-fly Gradient Modulation", CVPR 2022, equations of
rho, k and the update with generalisation enhancement:

    k_u = 1 - tanh(alpha rho_u) where rho_u = s_u / s_v > 1, else 1
    g_u <- k_u g_u + N(0, std(g_u)^2)

with s the scores of the two modalities alone.

For poses `s_m = exp(-e_m / tau)`, with e_m the MPJPE of modality m alone. The published method knows two
modalities; `ratio` defines the lead over several others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from equipose.balancing import checks
from equipose.balancing.losses import Losses
from equipose.balancing.method import Method, Step
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.parts.discrepancy import (
    DiscrepancyConfig,
    check_discrepancy,
    discrepancy_ratios,
    modulation,
)
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import jitter, scale_gradients, with_axes
from equipose.balancing.schedules import fixed_count
from equipose.balancing.search_spaces import searched


def modulate(parameters: list[nn.Parameter], factor: float, noise: float, rng: torch.Generator) -> None:
    """g <- factor g + noise, in place; the noise has the standard deviation of the unscaled gradient."""
    for parameter in parameters:
        assert parameter.grad is not None
        extra = jitter(parameter.grad, noise, rng) if noise > 0 else None
        scale_gradients([parameter], factor)
        if extra is not None:
            parameter.grad.add_(extra)


class OGMGE(Method):
    """On-the-fly gradient modulation with generalisation enhancement."""

    @dataclass(frozen=True, kw_only=True)
    class Config(DiscrepancyConfig):
        """`alpha` and the window are tuned per data set in the paper; with `noise=0` this is OGM."""

        alpha: float = searched(0.3, low=0.03, high=3.0)
        """How strongly a lead slows an encoder; 0 not at all."""
        noise: float = 1.0
        """Standard deviation of the added noise, in units of each gradient's own; 0 adds none."""
        noise_on: Literal["all", "modulated"] = "all"
        """`all` encoders, as in the official code, or only the `modulated` ones."""
        min_dims: int = fixed_count(2)
        """Act on parameters with at least this many axes. The official code uses 4 (2-D convolutions), which
        most encoders here do not have."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("alpha", "noise"):
                checks.positive("ogm_ge", self, name, zero=True)
            checks.at_least("ogm_ge", self, "min_dims", 0)
            checks.choice("ogm_ge", self, "noise_on", ("all", "modulated"))
            check_discrepancy("ogm_ge", self)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if self.config.unimodal == "heads":
            self.needs = frozenset({"unimodal_heads"})
            self.claims = frozenset({"unimodal losses"})
        self.recorded = EpochMeans("coefficient")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Heads that only provide scores must not train the encoders."""
        return probe_losses(losses, step) if self.config.unimodal == "heads" else losses

    def shape_gradients(self, step: Step) -> None:
        """Scale and jitter the encoders' gradients, already averaged over ranks."""
        c = self.config
        factors = modulation(discrepancy_ratios(step, c), c.alpha)
        self.recorded.add(step, factors)
        for group, factor in zip(step.groups.values(), factors.tolist(), strict=True):
            noise = c.noise if c.noise_on == "all" or factor < 1 else 0.0
            modulate(with_axes(group.values(), c.min_dims), factor, noise, step.rng)
