"""Adaptive weight constraint (the AWC paper): hold back the encoders of strong modalities early in training.

In the first K epochs the loss gains `sum over modalities m of alpha_m * sum_i 1/2 F_i (theta_i - anchor_i)^2`
over the parameters of encoder m, with F the Fisher diagonal, and alpha_m = alpha_s for modalities in the
high cluster of Shapley scores, alpha_i for the others (eqs. of L_W^m, L_AWC and L_total).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from equipose.balancing.fisher.diagonal import fisher_diagonal, fisher_trace, quadratic_penalty
from equipose.balancing.method import Losses, Method, MethodConfig, Run, Step, with_term
from equipose.balancing.methods.awc.clustering import STRENGTHS
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.schedules import epoch_count
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.running import RunningContributions
from equipose.balancing.shapley.value_functions import VALUE_FUNCTIONS

PENALTY = "awc"
"""Name of the penalty among the losses; its epoch mean is the metric `train/loss/awc`."""

LOSS_UNITS = {"m": 1.0, "mm": 1000.0}
"""Factor on alpha. Fisher information grows with the square of the loss unit, the loss linearly, so an alpha
tuned for a loss in mm acts as 1000 alpha on our loss in metres (`docs/methods.md`, unit of the loss)."""


class AWC(Method):
    """Adaptive weight constraint; with both alphas 0 it is plain training without extra passes."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The AWC paper's values; every field below `window` is a choice that the paper leaves open."""

        alpha_s: float = searched(20_000.0, low=2e3, high=2e5)
        """Weight of the penalty on strong modalities."""
        alpha_i: float = searched(10_000.0, low=1e3, high=1e5)
        """Weight of the penalty on the others; its search range keeps the ratio to `alpha_s`."""
        window: int | None = epoch_count(20)
        """K."""
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
        contributions: Literal["validation", "batch"] = "validation"
        """Scores from the latest validation pass, or a running mean over training batches."""
        value_function: Literal["pearson", "negative_mpjpe", "negative_mse"] = "pearson"
        """What a coalition is worth, for `contributions="batch"`; validation has its own setting."""
        momentum: float | None = None
        """For `contributions="batch"`: weight of the newest batch; None weights all batches equally."""
        weights: Literal["clusters", "continuous"] = "clusters"
        """From scores to alphas: two clusters, as in the paper, or by how far a share exceeds 1/M (ours)."""
        loss_unit: Literal["m", "mm"] = "m"
        """Unit of the loss for which the alphas were tuned."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("alpha_s", "alpha_i"):
                value = getattr(self, name)
                if not (math.isfinite(value) and value >= 0):
                    raise ValueError(f"awc.{name} must be finite and at least 0, got {value}; 0 turns it off")
            if not 0 < self.fisher_fraction <= 1:
                raise ValueError(f"awc.fisher_fraction must lie in (0, 1], got {self.fisher_fraction}")
            if self.momentum is not None and not 0 < self.momentum <= 1:
                raise ValueError(f"awc.momentum must lie in (0, 1] or be None, got {self.momentum}")
            for name, known in CHOICES.items():
                if getattr(self, name) not in known:
                    raise ValueError(f"awc.{name} must be one of {known}, got {getattr(self, name)!r}")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.idle = c.alpha_s == 0 and c.alpha_i == 0
        if c.contributions == "validation" and not self.idle:
            self.needs = frozenset({"contributions"})
        self.running = RunningContributions(value_function=c.value_function, momentum=c.momentum)
        self.anchor: dict[str, Tensor] = {}
        self.fisher: dict[str, Tensor] = {}
        self.alphas: dict[str, float] = {}
        """modality -> weight on our loss in metres."""

    def on_epoch_start(self, run: Run) -> None:
        """Set the anchor, estimate Fisher information, and group the modalities by their scores."""
        if self.idle:
            return
        groups = run.model.encoder_parameters()
        parameters = {name: p for group in groups.values() for name, p in group.items()}
        if self.config.anchor == "epoch_start" or not self.anchor:
            self.anchor = {name: p.detach().clone() for name, p in parameters.items()}
        if self.config.fisher_schedule == "every_epoch" or not self.fisher:
            self.fisher = self._estimate(run, parameters)
        self.anchor, self.fisher = _like(self.anchor, parameters), _like(self.fisher, parameters)
        if self.config.contributions == "validation":
            self.alphas = self._alphas(run.contributions, run)
        for modality, group in groups.items():
            run.log(f"fisher/{modality}", fisher_trace({name: self.fisher[name] for name in group}))

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Add the penalty under its own name."""
        if self.idle:
            return losses
        if self.config.contributions == "batch":
            self.alphas = self._alphas(self.running.update(step), step.run)
        terms = [self.alphas[m] * self._constraint(p) for m, p in step.groups.items() if self.alphas[m] > 0]
        return with_term(losses, PENALTY, torch.stack(terms).sum()) if terms else losses

    def state_dict(self) -> dict[str, Any]:
        """Anchor, Fisher diagonal, weights and running scores."""
        return {
            "anchor": self.anchor,
            "fisher": self.fisher,
            "alphas": self.alphas,
            "running": self.running.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.anchor, self.fisher = dict(state["anchor"]), dict(state["fisher"])
        self.alphas = dict(state["alphas"])
        self.running.load_state_dict(state["running"])

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

    def _alphas(self, scores: Tensor | None, run: Run) -> dict[str, float]:
        """modality -> alpha, by the cluster of its score; also recorded as metrics of the epoch."""
        if scores is None:
            raise ValueError(
                "awc.contributions='validation' but no validation pass has run yet; validate before the "
                "first epoch (Method.needs says so) or set awc.contributions='batch'"
            )
        unit = LOSS_UNITS[self.config.loss_unit]
        strong, weak = self.config.alpha_s * unit, self.config.alpha_i * unit
        strengths = STRENGTHS[self.config.weights](scores).tolist()
        alphas = {
            m: strong * strength + weak * (1 - strength)
            for m, strength in zip(run.model.modalities, strengths, strict=True)
        }
        for modality, alpha in alphas.items():
            run.log(f"method/alpha/{modality}", alpha)
        return alphas


CHOICES: dict[str, tuple[str, ...]] = {
    "anchor": ("epoch_start", "init"),
    "fisher": ("per_sample", "per_batch"),
    "fisher_schedule": ("every_epoch", "once"),
    "contributions": ("validation", "batch"),
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
