"""OPM: drop features of the modalities ahead, so that the others must explain the pose.

Wei et al., "On-the-fly Modulation for Balanced Multimodal Learning", TPAMI 2024 (OPM part). With rho_m the
lead of modality m over the others (as in `ogm_ge`), its feature is dropped from a sample with probability

    q_m = q_base * (1 + lambda * tanh(rho_m - 1)) where rho_m > 1, else 0

in a random share of the steps; what remains is divided by 1 - mean q, and samples that lost everything are
left out of the loss. Dropping happens between the encoders and the fusion, on the features of the step: the
pose is fused again from what is left. Scores and unimodal heads use the undropped features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, Step
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.parts.discrepancy import DiscrepancyConfig, check_discrepancy, discrepancy_ratios
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.rank_means import shared_mean
from equipose.balancing.parts.row_randomness import row_uniforms
from equipose.balancing.search_spaces import searched

RESCALE = ("mean", "modality", "none")


def drop_probabilities(ahead: Tensor, base: float, strength: float) -> Tensor:
    """[M] probabilities q from how far each modality is ahead [M]."""
    grown = base * (1 + strength * torch.tanh(ahead - 1))
    return torch.where(ahead > 1, grown, 0.0).clamp(0, 1)


def feature_scale(probabilities: Tensor, rescale: str) -> Tensor:
    """[M] factors on the remaining features from q [M]."""
    if rescale == "none":
        return torch.ones_like(probabilities)
    return 1 / (
        1 - (probabilities if rescale == "modality" else probabilities.mean().expand_as(probabilities))
    )


class OPM(Method):
    """On-the-fly prediction modulation."""

    @dataclass(frozen=True, kw_only=True)
    class Config(DiscrepancyConfig):
        """The defaults of BalanceBenchmark."""

        base: float = searched(0.4, low=0.1, high=0.6)
        """q_base; 0 drops nothing."""
        strength: float = 0.5
        """lambda."""
        rate: float = 0.7
        """Probability that a step drops at all."""
        rescale: Literal["mean", "modality", "none"] = "mean"
        """Divide remaining features by 1 - mean q, each by its own 1 - q_m (as dropout does), or not."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("base", "strength"):
                checks.positive("opm", self, name, zero=True)
            checks.share("opm", self, "rate")
            checks.choice("opm", self, "rescale", RESCALE)
            check_discrepancy("opm", self)
            if self.base * (1 + self.strength) >= 1:
                raise ValueError(
                    f"opm.base * (1 + opm.strength) must be below 1, got {self.base * (1 + self.strength)}; "
                    "a probability of 1 would leave a modality without any sample"
                )

    config: Config
    claims = frozenset({"pose loss"})

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if self.config.unimodal == "heads":
            self.needs = frozenset({"unimodal_heads"})
            self.claims = frozenset({"pose loss", "unimodal losses"})
        self.recorded = EpochMeans("drop")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Compute the task loss from the pose fused after dropping.

        Raises ValueError if an earlier method of the chain has changed the task loss.
        """
        c = self.config
        if c.unimodal == "heads":
            losses = probe_losses(losses, step)
        q = drop_probabilities(discrepancy_ratios(step, c), c.base, c.strength)
        self.recorded.add(step, q)
        dropping = float(torch.rand((), generator=step.rng)) < c.rate
        return losses | {POSE: self._dropped_loss(losses, q, step)} if dropping else losses

    def _dropped_loss(self, losses: Losses, q: Tensor, step: Step) -> Tensor:
        """The task loss from the remaining features."""
        run, features, target = step.run, step.outputs.features, step.batch.pose
        if not torch.allclose(losses[POSE], run.loss(step.outputs.pose, target).mean()):
            raise ValueError(
                "opm computes the task loss again, but a method before it in the chain has changed it; "
                "put opm first"
            )
        present = run.model.present_of(step.batch)
        draws = row_uniforms(step.batch.index, len(q), step.rng).to(q.device)
        left = present & (draws >= q)
        scale = feature_scale(q, self.config.rescale).to(features)
        pose = run.model.fuse(features * scale[:, None], left)
        usable = left.any(dim=1) | ~present.any(dim=1)
        return shared_mean(run.loss(pose, target), usable, run.mean)
