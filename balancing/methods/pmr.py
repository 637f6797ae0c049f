"""PMR: pull the features of the weaker modality towards class prototypes.

Fan et al., "PMR: Prototypical Modal Rebalance for Multimodal Learning", CVPR 2023. The prototype of class k
in modality m is the mean feature of its samples, renewed every epoch: `c <- momentum c + (1 - momentum) new`.
A sample's class probabilities are the softmax over k of `-|z_m - c_mk|`, its score s_m the mean probability
of the true class. z_m are features standardised by the pass that makes the prototypes: this is ours, since
the features of a regression have a scale of their own at which all classes are equally likely. For two
modalities the loss gains

    alpha * sum_m clip(s_n / s_m - 1, 0, 1) * CE_m

so it acts only on the weaker one. For more, s_n / s_m is averaged over the others n; BalanceBenchmark instead
scales gradients by `1 - tanh(eta rho_m)` where rho_m = mean of s_m / s_n exceeds 1 (`act="gradients"`).

A pose has no class: the classes are the 27 actions, as many as the training data holds. Cross-entropy is in
nats, the pose loss in metres, so `unit` converts between them. The paper's entropy term for early epochs is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses, with_term
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.discrepancy import modulation
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import scale_gradients
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.parts.prototypes import Prototypes, entropies_of_actions, prototypes_of
from equipose.balancing.parts.rank_means import joined_means, shared_mean
from equipose.balancing.parts.unimodal_scores import discrepancy_ratio
from equipose.balancing.run import Run
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

        alpha: float = searched(0.6, low=0.1, high=10.0)
        """Weight of the prototype loss."""
        momentum: float = 0.5
        """Weight of the old prototypes."""
        fraction: float = 0.1
        """Share of the training batches used for the prototypes; batches of rows in random order, since a few
        in index order would hold a few actions only."""
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
        self.prototypes: Prototypes | None = None
        self.scores: Tensor | None = None
        self.recorded = EpochMeans("prototype_score")

    def on_epoch_start(self, run: Run) -> None:
        """Renew the prototypes."""
        new = prototypes_of(run, evenly_spaced(run.shuffled(), self.config.fraction))
        old = self.prototypes
        self.prototypes = new if old is None else old.renewed(new, self.config.momentum)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Score the modalities, and add the prototype loss of those that fall short."""
        assert self.prototypes is not None
        run = step.run
        entropies, kept = entropies_of_actions(step, self.prototypes)
        scores = joined_means(torch.exp(-entropies), kept, run.mean)
        self.scores = scores.where(scores.isfinite(), scores.nanmean().nan_to_num(1.0))
        self.recorded.add(step, self.scores)
        if self.config.act == "gradients":
            return losses
        classes = int(self.prototypes.known.any(dim=0).sum())
        unit = self.config.unit or float(run.mean(losses[POSE].detach())) / log(max(classes, 2))
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
        """Prototypes, which of them exist, and the statistics that standardise features."""
        return {"prototypes": None if self.prototypes is None else self.prototypes.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        kept = state["prototypes"]
        self.prototypes = None if kept is None else Prototypes(**kept)
