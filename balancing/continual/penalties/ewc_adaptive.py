"""Elastic weight consolidation whose strength adapts to the sensors and to how well the new task is learned.

    L = l + s lambda sum over tasks k before, groups g of a_gk P_gk,
    P_gk = sum over i in g of 1/2 F_ki (theta_i - theta*_ki)^2

with a group for every sensor's encoder and one for the rest (fusion and head, a = 1). Ours, except F.

- `per_sensor` sets a (`sensor_factors`): by the sensor's share of the contribution at the end of task k, by
  its inverse, or by how much worse the sensor alone fits the new task than the old one.
- `control` sets s: lambda starts a decade higher, and s is halved at every epoch's start while the error on
  the new task's training rows is above `1 + delta` times the worst final one of the tasks before. In a stream
  of rooms or people every task is the same task, so "as good as before" is a target. The idea of lowering
  stability until the new task is learned is that of De Lange et al. (TPAMI 2021, arXiv 1909.08383), who train
  a task anew for every level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.penalties.fisher_config import FisherConfig, task_fisher
from equipose.balancing.continual.penalties.sensor_factors import PerSensor, sensor_factors
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Step
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.run import Run
from equipose.balancing.shapley.shares import coalition_pass, contributions, errors_alone, full_error, shares

NAME = "ewc_adaptive"
DECADE = 10.0
"""Strength at the start, over lambda, where it is controlled."""
REST = "rest"
"""Group of all weights outside the encoders."""
Groups = dict[str, dict[str, nn.Parameter]]


def groups_of(run: Run) -> Groups:
    """Sensor, or `rest` -> name -> trained parameter."""
    everything = trained_parameters(run.model)
    encoders = run.model.encoder_parameters()
    groups = {m: {n: everything[n] for n in group if n in everything} for m, group in encoders.items()}
    inside = {name for group in encoders.values() for name in group}
    return {**groups, REST: {n: p for n, p in everything.items() if n not in inside}}


def training_error(run: Run, fraction: float) -> float:
    """Mean error in m on the task's training rows, in evaluation mode, over all ranks."""
    total = torch.zeros(2, dtype=torch.float64, device=next(run.model.parameters()).device)
    with torch.no_grad(), evaluating(run.model):
        for batch in evenly_spaced(run.batches(), fraction):
            error = run.loss(run.model(batch).pose, batch.pose).double().sum()
            total += torch.stack([error, error.new_tensor(len(batch))])
    error, count = run.mean(total).tolist()
    return error / count


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a finished task tells about the sensors."""

    shares: Tensor
    """[M] float64 of the contribution."""
    alone: Tensor
    """[M] float64 error of each sensor alone, m."""
    error: float
    """Final training error, m."""


class AdaptiveEWC(Anchored):
    """With `per_sensor="none"` and without control it is `ewc`, or `ewc_online` if `online`."""

    penalty = NAME

    @dataclass(frozen=True, kw_only=True)
    class Config(FisherConfig):
        """Control is on, factors per sensor are off: on simulated streams those made no difference."""

        name: ClassVar[str] = NAME
        per_sensor: PerSensor = "none"
        """Rule of the factors a."""
        kappa: float = 1.0
        """How far drift frees a sensor, in (0, 1]; with 1, a is the ratio of the two errors."""
        control: bool = True
        """Whether the strength falls until the new task is learned."""
        delta: float = 1.0
        """Tolerated excess of the new task's training error over the worst before, relative."""
        fraction: float = 1.0
        """Share of the training batches on which errors and contributions are measured, evenly spaced."""
        online: bool = False
        """Keep one anchor with the summed Fisher information instead of one for every task."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.choice(NAME, self, "per_sensor", ("none", "share", "inverse", "drift"))
            checks.share(NAME, self, "kappa")
            checks.positive(NAME, self, "delta", zero=True)
            checks.share(NAME, self, "fraction")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.measured: list[Measured] = []
        """Of every anchor."""
        self.factors: list[Tensor] = []
        """[M] a of every anchor; empty until the new task's first epoch."""
        self.level = 1.0
        """s."""

    @property
    def factor(self) -> float:
        """lambda on our loss in metres, a decade higher if it is controlled."""
        return self.config.factor * (DECADE if self.config.control else 1.0)

    def on_epoch_start(self, run: Run) -> None:
        """In a new task's first epoch set the factors; later lower the level until the task is learned."""
        super().on_epoch_start(run)
        c = self.config
        if not self.anchors or self.factor == 0:
            return
        if not self.factors or run.epoch == 0:
            self.level, self.factors = 1.0, self._factors(run)
        elif c.control:
            worst = max(task.error for task in self.measured)
            if training_error(run, c.fraction) > (1 + c.delta) * worst:
                self.level /= 2
        mean = torch.stack(self.factors).mean(dim=0).tolist()
        for group, factor in zip((*run.model.modalities, REST), (*mean, 1.0), strict=True):
            run.log(f"ewc/lambda/{group}", self.factor * self.level * factor)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Add the penalty, every group with its own strength."""
        if not self.factors or self.factor == 0:
            return losses
        groups = {name: group for name, group in groups_of(step.run).items() if group}
        terms = []
        for anchor, factors in zip(self.anchors, self.factors, strict=True):
            strengths = dict(zip(step.run.model.modalities, factors.tolist(), strict=True))
            terms += [strengths.get(name, 1.0) * anchor.penalty(group) for name, group in groups.items()]
        return with_term(losses, NAME, self.factor * self.level * torch.stack(terms).sum())

    def on_task_end(self, run: Run) -> None:
        """Estimate Fisher information, contributions and errors, and anchor the weights."""
        if self.factor == 0:
            return
        found = coalition_pass(run, evenly_spaced(run.batches(), self.config.fraction))
        count = len(run.model.modalities)
        error = full_error(found)
        fisher = task_fisher(run, self.config)
        if self.config.online:
            for anchor, before in zip(self.anchors, self.measured, strict=True):
                fisher = {name: anchor.importance[name].to(f) + f for name, f in fisher.items()}
                error = max(error, before.error)
            self.anchors, self.measured = [], []
        task = Measured(
            shares=shares(contributions(found, count)), alone=errors_alone(found, count), error=error
        )
        self.anchors = [*self.anchors, Anchor.here(run, fisher)]
        self.measured, self.factors, self.level = [*self.measured, task], [], 1.0

    def _factors(self, run: Run) -> list[Tensor]:
        """[M] a of every anchor, at the start of the new task."""
        rule, now = self.config.per_sensor, None
        if rule == "drift":
            found = coalition_pass(run, evenly_spaced(run.batches(), self.config.fraction))
            now = errors_alone(found, len(run.model.modalities))
        return [
            sensor_factors(rule, task.shares, task.alone, now, self.config.kappa) for task in self.measured
        ]

    def state_dict(self) -> dict[str, Any]:
        """Anchors, what their tasks measured, factors and level."""
        tasks = [{"shares": t.shares, "alone": t.alone, "error": t.error} for t in self.measured]
        return {**super().state_dict(), "measured": tasks, "factors": self.factors, "level": self.level}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        super().load_state_dict(state)
        self.measured = [Measured(**task) for task in state["measured"]]
        self.factors, self.level = list(state["factors"]), state["level"]
