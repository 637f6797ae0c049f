"""AGM: adaptive gradient modulation by each modality's Shapley response, for any fusion.

Li et al., "Boosting Multi-modal Model Performance with Adaptive Gradient Modulation", ICCV 2023. The
prediction splits into responses phi_m, the Shapley values of the prediction itself over all coalitions.
With s_m the performance of phi_m, K modalities and s_hat_m its running mean over the steps:

    r_m = exp(K/(K-1) (s_m - mean s)),  tau_m = exp(K/(K-1) (s_hat_m - mean s_hat))
    dL/dphi_m <- kappa_m dL/dphi_m,     kappa_m = exp(alpha (tau_m - r_m))

so a modality that is further ahead than usual (r > tau) is slowed down. For poses s_m is minus the MPJPE of
phi_m, shifted to the mean target, over tau_e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.gradients import scale_gradients
from equipose.balancing.parts.unimodal_scores import relative_errors, shapley_responses, unimodal_errors
from equipose.balancing.search_spaces import searched


def mono_modal_ratios(scores: Tensor) -> Tensor:
    """[M] r_m, the geometric mean over n != m of exp(s_m - s_n), from scores [M]."""
    count = len(scores)
    return torch.exp(count / max(count - 1, 1) * (scores - scores.mean()))


def modulation(scores: Tensor, running: Tensor, alpha: float) -> Tensor:
    """[M] kappa from this step's scores [M] and their running mean [M]."""
    return torch.exp(alpha * (mono_modal_ratios(running) - mono_modal_ratios(scores)))


def scaled_paths(loss: Tensor, pose: Tensor, responses: Tensor, factors: Tensor) -> Tensor:
    """A term of value 0 whose gradient turns dL/dphi_m into factors[m] dL/dphi_m.

    Since sum_m phi_m = pose - constant, the loss already sends dL/dpose through every response once; the
    term sends it (factors[m] - 1) times more. loss: a scalar made from pose [B, J, 3]; responses:
    [B, M, J, 3].
    """
    (upstream,) = torch.autograd.grad(loss, pose, retain_graph=True)
    extra = upstream[:, None] * (factors.to(upstream) - 1)[:, None, None]
    return ((responses - responses.detach()) * extra).sum()


class AGM(Method):
    """Adaptive gradient modulation."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The official code also clips the gradient to norm 1: `optimizer.clip_norm`."""

        alpha: float = searched(1.0, low=0.2, high=20.0)
        """Strength; 0 changes no gradient. Scores over the mean error hardly leave their running mean, so
        it takes more than the paper's few units before it acts with Adam."""
        scale: Literal["responses", "encoders"] = "responses"
        """Where kappa acts: on the gradient at phi_m, as published, hence on the fusion too, or on the
        gradients of encoder m alone (BalanceBenchmark)."""
        temperature: float | None = None
        """tau_e in m; None uses the mean error over the modalities."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive("agm", self, "alpha", zero=True)
            checks.choice("agm", self, "scale", ("responses", "encoders"))
            if self.temperature is not None:
                checks.positive("agm", self, "temperature")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if self.config.scale == "responses":
            self.claims = frozenset({"pose loss"})
        self.count = 0
        self.running: Tensor | None = None
        """[M] float64 mean score over all steps so far."""
        self.factors: Tensor | None = None
        self.recorded = EpochMeans("coefficient")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Score the modalities; with `scale="responses"` also modulate the gradient at the responses."""
        c = self.config
        with torch.set_grad_enabled(c.scale == "responses"):
            responses = shapley_responses(step)
        scores = -relative_errors(unimodal_errors(step, responses, centred=True), c.temperature)
        self.count += 1
        before = scores if self.running is None else self.running.to(scores)
        self.running = before + (scores - before) / self.count
        self.factors = modulation(scores, self.running, c.alpha)
        self.recorded.add(step, self.factors)
        if c.scale == "encoders":
            return losses
        return losses | {
            POSE: losses[POSE] + scaled_paths(losses[POSE], step.outputs.pose, responses, self.factors)
        }

    def shape_gradients(self, step: Step) -> None:
        """With `scale="encoders"`, scale each encoder's gradients."""
        if self.config.scale == "encoders":
            assert self.factors is not None
            for group, factor in zip(step.groups.values(), self.factors.tolist(), strict=True):
                scale_gradients(group.values(), factor)

    def state_dict(self) -> dict[str, Any]:
        """Running scores and the number of steps behind them."""
        return {"count": self.count, "running": self.running}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.count, self.running = state["count"], state["running"]
