"""Random subsets: every batch is trained with the sensors of one random draw, as X-Fi is.

"X-Fi: A Modality-Invariant Foundation Model for Multimodal Human Sensing" (Chen et al., ICLR 2025; public
code): each sensor joins a batch's subset with some probability, an empty subset is drawn again, and the loss
is that of the pose from this subset alone. It belongs to the fusion `cross_attention`, which leaves absent
sensors out, and works with all of them. Rows that have no sensor of the subset do not count.

The pose is fused again from the features of the step, so encoders of sensors left out get no gradient in it,
and their batch statistics move as in plain training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.methods.subsets.per_sensor import check_per_sensor, per_sensor
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.rank_means import shared_mean
from equipose.balancing.search_spaces import searched

NAME = "random_subsets"


def drawn_subset(probabilities: Tensor, rng: torch.Generator) -> Tensor:
    """[M] bool, never empty, from the probability of each modality [M] in (0, 1]."""
    while True:
        subset = torch.rand(len(probabilities), generator=rng, dtype=probabilities.dtype) < probabilities
        if subset.any():
            return subset


class RandomSubsets(Method):
    """The task loss is that of a random subset of sensors, the same for all rows and ranks of a step."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """X-Fi's public code has 0.5 for RGB, depth and radar, 0.7 for LiDAR and WiFi; by default all sensors
        share one probability between, so that tuning moves all of them."""

        probability: float = searched(0.6, low=0.3, high=0.95)
        """Of a sensor to join the subset of a step, before empty ones are drawn again."""
        probabilities: Mapping[str, float] = field(default_factory=dict, hash=False)
        """sensor -> its own probability instead, such as `{"lidar": 0.7, "wifi": 0.7}`."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.share(NAME, self, "probability")
            check_per_sensor(NAME, "probabilities", self.probabilities, one=True)

    config: Config
    claims = frozenset({"pose loss"})

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.recorded = EpochMeans("used")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Take the task loss from the pose of the step's subset.

        Raises ValueError if an earlier method of the chain has changed the task loss.
        """
        run, features, target = step.run, step.outputs.features, step.batch.pose
        if not torch.allclose(losses[POSE], run.loss(step.outputs.pose, target).mean()):
            raise ValueError(
                f"{NAME} computes the task loss again, but a method before it in the chain has changed it; "
                f"put {NAME} first"
            )
        c = self.config
        chances = per_sensor(run.model.modalities, c.probability, c.probabilities)
        subset = drawn_subset(chances, step.rng)
        self.recorded.add(step, subset.double())
        present = run.model.present_of(step.batch)
        left = present & subset.to(present.device)
        usable = left.any(dim=1) | ~present.any(dim=1)
        errors = run.loss(run.model.fuse(features, left), target)
        return losses | {POSE: shared_mean(errors, usable, run.mean)}
