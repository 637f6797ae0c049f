"""CGGM: classifiers of single modalities guide size and direction of each encoder's gradient (Guo et al.,
"Classifier-guided Gradient Modulation for Enhanced Multimodal Learning", NeurIPS 2024).

With Delta e_m the improvement of modality m's own prediction since the last step:

    B_m = (sum_n Delta e_n - Delta e_m) / sum_n Delta e_n,        g_m <- rho B_m g_m
    loss += lambda / M * sum_m |B_m| - B_m cos(g_joint, g_own,m)

so an encoder slows down while its modality improves and the others do not, and its own head's gradient is
turned towards the joint one. Published for regression with three modalities, too. Readings for poses:

- e_m is the MPJPE of the modality's head, a probe. Improvements below 0 count as 0: single batches make a sum
  of signed ones cross zero, where B_m is unbounded and its sign means unlearning. Without any improvement
  all B_m are equal, (M - 1) / M.
- The gradients compared are those at the predicted pose, sample by sample. The published ones, at the weights
  of output layers of one shape, do not exist for every fusion. For MPJPE the cosine is that of the angle
  between the two errors of a joint, averaged over the joints.
- g_joint is a constant guide, and the direction loss trains encoders only: a head that is bent towards the
  joint pose would no longer say how well its modality does. In the public code that loss is a number without
  gradient; here it acts.
- `unit`: a pose loss is in metres, a cosine has no unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses, PerSampleLoss, with_term
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import scale_gradients
from equipose.balancing.parts.rank_means import shared_mean
from equipose.balancing.parts.unimodal_scores import unimodal_errors, unimodal_predictions
from equipose.balancing.search_spaces import searched

NAME = "cggm"
DIRECTION = "cggm"
"""Name of the direction loss."""


def coefficients(before: Tensor | None, now: Tensor) -> Tensor:
    """[M] float64 B_m from the errors [M] of two steps; equal ones without a step before.

    A single modality has nothing to be balanced with and keeps its gradient.
    """
    count = len(now)
    if count == 1:
        return torch.ones_like(now)
    gains = torch.zeros_like(now) if before is None else (before.to(now) - now).clamp_min(0)
    total = gains.sum()
    return (total - gains) / total if total > 0 else torch.full_like(now, (count - 1) / count)


def error_directions(loss: PerSampleLoss, pose: Tensor, target: Tensor, *, keep_graph: bool) -> Tensor:
    """[B, 3 J] gradient of each sample's loss at its predicted pose, differentiable if `keep_graph`."""
    pose = pose if pose.requires_grad else pose.detach().requires_grad_()
    (found,) = torch.autograd.grad(loss(pose, target).sum(), pose, create_graph=keep_graph)
    return found.flatten(1)


def encoder_poses(step: Step) -> dict[str, Tensor]:
    """modality -> pose [B, J, 3] m of its head, differentiable in its encoder but not in the head."""
    features = step.outputs.features
    poses = step.run.model.unimodal(features)
    probes = step.run.model.unimodal(features.detach())
    # What the head's weights get through the first pose, they lose through the second.
    return {name: pose - probes[name] + probes[name].detach() for name, pose in poses.items()}


class CGGM(Method):
    """Classifier-guided gradient modulation; needs unimodal heads, which train as probes."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """rho is the paper's; for `direction`, whose published value is 0.2, see there; `unit` is ours."""

        rho: float = 1.3
        """Factor on every encoder's gradient. A constant that Adam cancels, up to clipping."""
        direction: float = searched(1.0, low=0.1, high=10.0)
        """lambda, weight of the direction loss. With the published 0.2 and this unit it is 3 to 8 % of the
        task's gradient on an encoder (simulated data, four sensors), hardly more than nothing."""
        unit: float | None = None
        """Metres that a cosine of 1 is worth; None gives it the step's pose loss."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "rho")
            checks.positive(NAME, self, "direction", zero=True)
            if self.unit is not None:
                checks.positive(NAME, self, "unit")

    config: Config
    needs = frozenset({"unimodal_heads"})
    claims = frozenset({"unimodal losses"})

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.errors: Tensor | None = None
        """[M] float64 errors of the step before, m; None before the first."""
        self.coefficients: Tensor | None = None
        self.recorded = EpochMeans("coefficient")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Measure the improvements, and add the direction loss."""
        errors = unimodal_errors(step, unimodal_predictions(step, "heads"), centred=False)
        self.coefficients = coefficients(self.errors, errors)
        self.errors = errors
        self.recorded.add(step, self.config.rho * self.coefficients)
        c = self.config
        if c.direction > 0:
            unit = c.unit or float(step.run.mean(losses[POSE].detach()))
            losses = with_term(losses, DIRECTION, c.direction * unit * self._misdirection(step))
        return probe_losses(losses, step)

    def shape_gradients(self, step: Step) -> None:
        """Scale the encoders' gradients."""
        assert self.coefficients is not None
        factors = (self.config.rho * self.coefficients).tolist()
        for group, factor in zip(step.groups.values(), factors, strict=True):
            scale_gradients(group.values(), factor)

    def state_dict(self) -> dict[str, Any]:
        """The errors of the last step."""
        return {"errors": self.errors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.errors = state["errors"]

    def _misdirection(self, step: Step) -> Tensor:
        """Mean over modalities of B_m (1 - cos), each over the rows of all ranks that have it."""
        assert self.coefficients is not None
        run, target = step.run, step.batch.pose
        present = run.model.present_of(step.batch)
        guide = error_directions(run.loss, step.outputs.pose.detach(), target, keep_graph=False)
        terms = []
        for m, (pose, b) in enumerate(zip(encoder_poses(step).values(), self.coefficients, strict=True)):
            own = error_directions(run.loss, pose, target, keep_graph=True)
            apart = 1 - torch.cosine_similarity(own, guide, dim=1)
            terms.append(b.to(apart) * shared_mean(apart, present[:, m], run.mean))
        return torch.stack(terms).mean()
