"""G-Blending: weight the joint head and every unimodal head by its gain relative to its overfitting.

Wang, Tran and Feiszli, "What Makes Training Multi-modal Classification Networks Hard?", CVPR 2020. Between
the two ends of a super-epoch, with L the loss of head k on training and validation data:

    dG_k = L_val(start) - L_val(end),   dO_k = (L_val - L_train)(end) - (L_val - L_train)(start)
    w_k proportional to |dG_k| / dO_k^2, summing to 1;   L = sum_k w_k L_k

MPJPE replaces cross-entropy. The paper trains a copy of every unimodal network to measure its super-epoch;
like BalanceBenchmark, we measure the heads of the one network that trains, so the weights of a super-epoch
come from the one before, and the first uses equal weights.

What an encoder learns depends on the joint head's weight against that of its own, so that is what tuning
varies: `joint` multiplies w of the joint head before the sum is made 1 (ours; 1 is published).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.passes import evenly_spaced, head_losses, head_names
from equipose.balancing.run import Run
from equipose.balancing.schedules import epoch_count
from equipose.balancing.search_spaces import searched


def blend(start: Tensor, end: Tensor, *, gain: str = "absolute", floor: float = 1e-3) -> Tensor:
    """[K] weights from losses [2, K] (training, validation) at both ends of a super-epoch.

    floor: m; its square is added to dO^2, so that a head that did not overfit does not divide by zero.
    Equal weights if no head gained anything.
    """
    gained = start[1] - end[1]
    gained = gained.abs() if gain == "absolute" else gained.clamp_min(0)
    overfit = (end[1] - end[0]) - (start[1] - start[0])
    raw = gained / (overfit.square() + floor**2)
    return raw / raw.sum() if raw.sum() > 0 else torch.full_like(raw, 1 / len(raw))


def favoured(weights: Tensor, joint: float) -> Tensor:
    """[K] weights with the first, the joint head's, times a factor; they sum to 1."""
    factors = torch.ones_like(weights)
    factors[0] = joint
    return weights * factors / (weights * factors).sum()


class GBlending(Method):
    """Online gradient blending; needs unimodal heads and validation data."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The super-epoch is the paper's; the rest is what regression and a single network leave open."""

        super_epoch: int = epoch_count(10)
        """Epochs between two estimates."""
        gain: Literal["absolute", "positive"] = "absolute"
        """|dG| as published, which also rewards a growing loss, or max(0, dG)."""
        joint: float = searched(1.0, low=0.1, high=10.0)
        """Factor on the joint head's weight; the larger, the less each encoder learns for itself."""
        floor: float = 1e-3
        """Overfitting below this hardly counts, m."""
        fraction: float = 1.0
        """Share of the training batches that the training loss is measured on, evenly spaced."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.at_least("g_blending", self, "super_epoch", 1)
            checks.choice("g_blending", self, "gain", ("absolute", "positive"))
            for name in ("joint", "floor"):
                checks.positive("g_blending", self, name)
            checks.share("g_blending", self, "fraction")

    config: Config
    needs = frozenset({"unimodal_heads"})
    claims = frozenset({"unimodal losses"})

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.since = 0
        """Epoch at the start of which `measured` was taken."""
        self.measured: Tensor | None = None
        """[2, 1 + M] training and validation losses, m."""
        self.weights: Tensor | None = None
        """[1 + M], joint head first."""

    def on_epoch_start(self, run: Run) -> None:
        """At the ends of super-epochs, measure every head and set the weights."""
        names, c = head_names(run), self.config
        if self.measured is None or run.epoch - self.since >= c.super_epoch:
            before, self.measured, self.since = self.measured, self._measure(run), run.epoch
            if before is None:
                found = torch.ones(len(names), dtype=torch.float64)
            else:
                found = blend(before, self.measured, gain=c.gain, floor=c.floor)
            self.weights = favoured(found, c.joint)
        assert self.weights is not None
        for name, weight in zip(names, self.weights.tolist(), strict=True):
            run.log(f"method/weight/{name}", weight)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Weight the heads' losses; others, such as penalties, stay unchanged."""
        assert self.weights is not None
        weights = dict(zip(head_names(step.run), self.weights.tolist(), strict=True))
        return {name: loss * weights[name] if name in weights else loss for name, loss in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """The last measurement, its epoch, and the weights."""
        return {"since": self.since, "measured": self.measured, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.since, self.measured, self.weights = state["since"], state["measured"], state["weights"]

    def _measure(self, run: Run) -> Tensor:
        """[2, 1 + M] training and validation losses, m."""
        if run.validation_batches is None:
            raise ValueError(
                "g_blending compares training with validation losses; give the run validation data"
            )
        training = head_losses(run, evenly_spaced(run.batches(), self.config.fraction))
        return torch.stack([training, head_losses(run, run.validation_batches())])
