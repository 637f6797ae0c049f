"""PMR: pull the features of the weaker modality towards class prototypes.

Fan et al., "PMR: Prototypical Modal Rebalance for Multimodal Learning", CVPR 2023. The prototype of class k
in modality m is the mean feature of its samples, renewed every epoch: `c <- momentum c + (1 - momentum) new`.
A sample's class probabilities are the softmax over k of `-|z_m - c_mk|`, its score s_m the mean probability
of the true class. For two modalities the loss gains

    alpha * sum_m clip(s_n / s_m - 1, 0, 1) * CE_m

so it acts only on the weaker one. For more, s_n / s_m is averaged over the others n; BalanceBenchmark instead
scales gradients by `1 - tanh(eta rho_m)` where rho_m = mean of s_m / s_n exceeds 1 (`act="gradients"`).

A pose has no class: the classes are the 27 actions. Cross-entropy is in nats, the pose loss in metres, so
`unit` converts between them. The paper's entropy term for early epochs is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import POSE, Losses, Method, MethodConfig, Run, Step, with_term
from equipose.balancing.parts.discrepancy import modulation
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import scale_gradients
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.parts.prototypes import NUM_ACTIONS, class_means, entropies_of_actions, renewed
from equipose.balancing.parts.rank_means import joined_means, shared_mean
from equipose.balancing.parts.unimodal_scores import discrepancy_ratio
from equipose.balancing.search_spaces import searched

PENALTY = "pmr"
"""Name of the prototype loss among the losses."""


def shortfall(scores: Tensor) -> Tensor:
    """[M] clip(mean over n != m of s_n / s_m - 1, 0, 1) from scores [M]."""
    ratios = scores[None, :] / scores[:, None]
    return ((ratios.sum(dim=1) - 1) / max(len(scores) - 1, 1) - 1).clamp(0, 1)


class PMR(Method):
    """Prototypical modal rebalance."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Published values where they exist."""

        alpha: float = searched(0.6, low=0.1, high=3.0)
        """Weight of the prototype loss."""
        momentum: float = 0.5
        """Weight of the old prototypes."""
        fraction: float = 0.1
        """Share of the training batches used for the prototypes, evenly spaced."""
        unit: float | None = None
        """Metres per nat; None gives a cross-entropy at chance level the weight of the step's pose loss."""
        act: Literal["loss", "gradients"] = "loss"
        """The published loss, or the gradient scaling of BalanceBenchmark."""
        eta: float = 0.01
        """Strength of the gradient scaling."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("alpha", "eta"):
                checks.positive("pmr", self, name, zero=True)
            checks.share("pmr", self, "fraction")
            checks.choice("pmr", self, "act", ("loss", "gradients"))
            if self.unit is not None:
                checks.positive("pmr", self, "unit")
            if not 0 <= self.momentum < 1:
                raise ValueError(f"pmr.momentum must lie in [0, 1), got {self.momentum}")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.prototypes: Tensor | None = None
        """[M, 27, D]."""
        self.known: Tensor | None = None
        """[M, 27] bool."""
        self.scores: Tensor | None = None
        self.recorded = EpochMeans("prototype_score")

    def on_epoch_start(self, run: Run) -> None:
        """Renew the prototypes."""
        new, seen = class_means(run, evenly_spaced(run.batches(), self.config.fraction))
        if self.prototypes is not None and self.known is not None:
            old, known = self.prototypes.to(new), self.known.to(seen.device)
            new, seen = renewed(old, known, new, seen, self.config.momentum)
        self.prototypes, self.known = new, seen

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Score the modalities, and add the prototype loss of those that fall short."""
        assert self.prototypes is not None
        assert self.known is not None
        run = step.run
        entropies, kept = entropies_of_actions(step, self.prototypes, self.known)
        scores = joined_means(torch.exp(-entropies), kept, run.mean)
        self.scores = scores.where(scores.isfinite(), scores.nanmean().nan_to_num(1.0))
        self.recorded.add(step, self.scores)
        if self.config.act == "gradients":
            return losses
        unit = self.config.unit or float(run.mean(losses[POSE].detach())) / log(NUM_ACTIONS)
        weights = shortfall(self.scores).to(entropies)
        terms = [w * shared_mean(entropies[:, m], kept[:, m], run.mean) for m, w in enumerate(weights)]
        return with_term(losses, PENALTY, self.config.alpha * unit * torch.stack(terms).sum())

    def shape_gradients(self, step: Step) -> None:
        """With `act="gradients"`, slow down the encoders of the modalities ahead."""
        if self.config.act == "gradients":
            assert self.scores is not None
            factors = modulation(discrepancy_ratio(self.scores, "mean"), self.config.eta).tolist()
            for group, factor in zip(step.groups.values(), factors, strict=True):
                scale_gradients(group.values(), factor)

    def state_dict(self) -> dict[str, Any]:
        """Prototypes and which of them exist."""
        return {"prototypes": self.prototypes, "known": self.known}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.prototypes, self.known = state["prototypes"], state["known"]
