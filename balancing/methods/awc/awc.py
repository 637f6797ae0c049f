"""Adaptive weight constraint (the AWC paper): hold back the encoders of strong modalities early in training.

In the first K epochs the loss gains `sum over modalities m of alpha_m * sum_i 1/2 F_i (theta_i - anchor_i)^2`
over the parameters of encoder m, with F the Fisher diagonal, and alpha_m = alpha_s for modalities in the
high cluster of Shapley scores, alpha_i for the others (eqs. of L_W^m, L_AWC and L_total). By default the
weights are not given as numbers but follow from a ratio of gradients (see `strength`), which is ours.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.fisher.diagonal import fisher_diagonal, fisher_trace, quadratic_penalty
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.methods.awc.clustering import STRENGTHS
from equipose.balancing.methods.awc.strength import EpochRatios, RunningNorms, Strength, norm_of
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.run import Run
from equipose.balancing.schedules import epoch_count, fixed_count
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.running import RunningContributions
from equipose.balancing.shapley.value_functions import VALUE_FUNCTIONS

NAME = PENALTY = "awc"
"""Name in messages, and of the penalty among the losses; its epoch mean is the metric `train/loss/awc`."""

LOSS_UNITS = {"m": 1.0, "mm": 1000.0}
"""Factor on alpha. Fisher information grows with the square of the loss unit, the loss linearly, so an alpha
tuned for a loss in mm acts as 1000 alpha on our loss in metres (`docs/methods.md`, unit of the loss)."""


class AWC(Method):
    """Adaptive weight constraint; with strengths of 0 it is plain training without extra passes."""

    published: ClassVar[Mapping[str, Any]] = MappingProxyType({"strength": "alpha", "free_epochs": 0})

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Strength and window; every field below `window` is a choice that the AWC paper leaves open."""

        strength: Strength = "ratio"
        """What sets the penalty's weight: `ratio`, its gradient's norm against the task's (ours: the same
        on any data and for any number of steps); or `alpha`, the paper's absolute weights."""
        ratio_s: float = searched(0.3, low=0.1, high=1.0, when=("strength", "ratio"))
        """Penalty gradient / task gradient on the encoders of strong modalities."""
        ratio_i: float = 0.0
        """The same on the others; 0 leaves them free."""
        alpha_s: float = searched(20_000.0, low=2e3, high=2e5, when=("strength", "alpha"))
        """The paper's weight of the penalty on strong modalities."""
        alpha_i: float = searched(10_000.0, low=1e3, high=1e5, when=("strength", "alpha"))
        """The same on the others; its search range keeps the ratio to `alpha_s`."""
        window: int | None = epoch_count(20)
        """K, the number of epochs in which it acts."""
        free_epochs: int = epoch_count(1)
        """Epochs before them that train plainly: the scores of an untrained network group nothing. The paper
        has none."""
        window_steps: int = fixed_count(0)
        """Ends the window after so many optimiser steps, if that is sooner; 0 counts epochs only."""
        anchor: Literal["epoch_start", "init"] = "epoch_start"
        """Which weights the penalty pulls to: those at the start of the current epoch, or those at the first
        epoch of the method."""
        fisher: Literal["per_sample", "per_batch"] = "per_sample"
        """What is squared: each sample's gradient, as the equation is written, or each batch's mean, with the
        frames in random order."""
        fisher_schedule: Literal["every_epoch", "once"] = "every_epoch"
        """When the Fisher diagonal is estimated."""
        fisher_fraction: float = 1.0
        """Share of the training batches used for the estimate, evenly spaced over the data."""
        contributions: Literal["batch", "validation"] = "batch"
        """Scores from a running mean over training batches, or from the latest validation pass."""
        value_function: Literal["pearson", "negative_mpjpe", "negative_mse"] = "pearson"
        """What a coalition is worth, for `contributions="batch"`; validation has its own setting."""
        momentum: float | None = 0.05
        """For `contributions="batch"`: weight of the newest batch; None weights all batches equally."""
        weights: Literal["clusters", "continuous"] = "clusters"
        """From scores to strengths: two clusters, as in the paper, or how far a share exceeds 1/M (ours)."""
        loss_unit: Literal["m", "mm"] = "m"
        """Unit of the loss for which the alphas were tuned."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("ratio_s", "ratio_i", "alpha_s", "alpha_i"):
                checks.positive(NAME, self, name, zero=True)
            for name in ("free_epochs", "window_steps"):
                checks.at_least(NAME, self, name, 0)
            checks.share(NAME, self, "fisher_fraction")
            if self.momentum is not None:
                checks.share(NAME, self, "momentum")
            for name, known in CHOICES.items():
                checks.choice(NAME, self, name, known)

        @property
        def active(self) -> range | None:
            """The window follows the free epochs."""
            first = self.free_epochs
            if self.window is None:
                return range(first, sys.maxsize) if first else None
            return range(first, first + self.window)

        @property
        def strong_and_weak(self) -> tuple[float, float]:
            """Strength on the two groups, on our loss in metres."""
            if self.strength == "ratio":
                return self.ratio_s, self.ratio_i
            unit = LOSS_UNITS[self.loss_unit]
            return self.alpha_s * unit, self.alpha_i * unit

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.idle = c.strong_and_weak == (0, 0)
        if c.contributions == "validation" and not self.idle:
            self.needs = frozenset({"contributions"})
        self.running = RunningContributions(value_function=c.value_function, momentum=c.momentum)
        self.norms, self.ratios = RunningNorms(), EpochRatios()
        self.anchor: dict[str, Tensor] = {}
        self.fisher: dict[str, Tensor] = {}
        self.strengths: dict[str, float] = {}
        """modality -> target ratio, or weight on our loss in metres."""
        self.steps = 0
        """Steps in which the penalty has acted."""

    @property
    def over(self) -> bool:
        """Whether there is nothing to do: no strength, or `window_steps` have passed."""
        return self.idle or 0 < self.config.window_steps <= self.steps

    def on_epoch_start(self, run: Run) -> None:
        """Set the anchor, estimate Fisher information, and group the modalities by their scores."""
        if self.over:
            return
        self.ratios = EpochRatios()
        groups = run.model.encoder_parameters()
        parameters = {name: p for group in groups.values() for name, p in group.items()}
        if self.config.anchor == "epoch_start" or not self.anchor:
            self.anchor = {name: p.detach().clone() for name, p in parameters.items()}
        if self.config.fisher_schedule == "every_epoch" or not self.fisher:
            self.fisher = self._estimate(run, parameters)
        self.anchor, self.fisher = _like(self.anchor, parameters), _like(self.fisher, parameters)
        if self.config.contributions == "validation":
            self.strengths = self._strengths(run.contributions, run)
        for modality, group in groups.items():
            run.log(f"fisher/{modality}", fisher_trace({name: self.fisher[name] for name in group}))

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Group by this batch's scores if they are used; with absolute weights, add the penalty."""
        if self.over:
            return losses
        if self.config.contributions == "batch":
            self.strengths = self._strengths(self.running.update(step), step.run)
        if self.config.strength == "ratio":
            return losses
        terms = [self.strengths[m] * self._constraint(p) for m, p in step.groups.items() if self.strengths[m]]
        return with_term(losses, PENALTY, torch.stack(terms).sum()) if terms else losses

    def shape_gradients(self, step: Step) -> None:
        """With a ratio, add the penalty's gradient; either way, record how large it is."""
        if self.over:
            return
        self.steps += 1
        for modality, group in step.groups.items():
            moving = {name: p for name, p in group.items() if p.grad is not None}
            if moving and self.strengths[modality]:
                self._pull(modality, moving, step.run)

    def state_dict(self) -> dict[str, Any]:
        """Anchor, Fisher diagonal, strengths, running scores and norms, steps."""
        return {
            "anchor": self.anchor,
            "fisher": self.fisher,
            "strengths": self.strengths,
            "running": self.running.state_dict(),
            "norms": self.norms.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.anchor, self.fisher = dict(state["anchor"]), dict(state["fisher"])
        self.strengths, self.steps = dict(state["strengths"]), state["steps"]
        self.running.load_state_dict(state["running"])
        self.norms.load_state_dict(state["norms"])

    def _pull(self, modality: str, group: Mapping[str, nn.Parameter], run: Run) -> None:
        """Add the pull F (theta - anchor) to the gradients of an encoder, unless the loss has done so."""
        with torch.no_grad():
            gradients = [p.grad for p in group.values() if p.grad is not None]
            pull = torch._foreach_sub(list(group.values()), [self.anchor[name] for name in group])
            torch._foreach_mul_(pull, [self.fisher[name] for name in group])
            strength = self.strengths[modality]
            if self.config.strength == "ratio":
                task, found = norm_of(gradients), norm_of(pull)
                factor = self.norms.coefficient(modality, task, found, strength).to(found)
                torch._foreach_mul_(pull, factor)
                torch._foreach_add_(gradients, pull)
                penalty = factor * found
            else:
                torch._foreach_mul_(pull, strength)
                task, penalty = norm_of(torch._foreach_sub(gradients, pull)), norm_of(pull)
            run.log(f"method/penalty_ratio/{modality}", self.ratios.add(modality, penalty, task))

    def _constraint(self, group: Mapping[str, nn.Parameter]) -> Tensor:
        """L_W of one modality."""
        return quadratic_penalty(
            group, {name: self.anchor[name] for name in group}, {name: self.fisher[name] for name in group}
        )

    def _estimate(self, run: Run, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
        """The Fisher diagonal at the current weights."""
        every = run.shuffled() if self.config.fisher == "per_batch" else run.batches()
        batches = evenly_spaced(every, self.config.fisher_fraction)
        return fisher_diagonal(
            run.model, batches, run.loss, mode=self.config.fisher, parameters=parameters, mean=run.mean
        )

    def _strengths(self, scores: Tensor | None, run: Run) -> dict[str, float]:
        """modality -> strength, by the cluster of its score; also recorded as metrics of the epoch."""
        if scores is None:
            raise ValueError(
                "awc.contributions='validation' but no validation pass has run yet; validate before the "
                "first epoch (Method.needs says so) or set awc.contributions='batch'"
            )
        strong, weak = self.config.strong_and_weak
        shares = STRENGTHS[self.config.weights](scores).tolist()
        strengths = {
            m: strong * share + weak * (1 - share)
            for m, share in zip(run.model.modalities, shares, strict=True)
        }
        for modality, strength in strengths.items():
            run.log(f"method/{self.config.strength}/{modality}", strength)
        return strengths


CHOICES: dict[str, tuple[str, ...]] = {
    "strength": ("ratio", "alpha"),
    "anchor": ("epoch_start", "init"),
    "fisher": ("per_sample", "per_batch"),
    "fisher_schedule": ("every_epoch", "once"),
    "contributions": ("batch", "validation"),
    "value_function": tuple(VALUE_FUNCTIONS),
    "weights": tuple(STRENGTHS),
    "loss_unit": ("m", "mm"),
}


def _like(tensors: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The tensors in the parameters' order, device and dtype. Raises ValueError where names differ."""
    if tensors.keys() != parameters.keys():
        odd = sorted(tensors.keys() ^ parameters.keys())
        raise ValueError(f"awc's state and the model's encoders differ in {odd}; resume with the same model")
    return {name: tensors[name].to(p) for name, p in parameters.items()}
