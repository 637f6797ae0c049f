"""What the penalties share: weights of earlier tasks, and how much each of them matters.

The loss gains `factor * sum over anchors k, parameters i of 1/2 I_ki (theta_i - theta*_ki)^2`; methods differ
in the importance I, which is 1, Fisher information, or a sensitivity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from equipose.balancing.continual.weights import copies, placed, trained_parameters
from equipose.balancing.fisher.diagonal import quadratic_penalty
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Method, Step
from equipose.balancing.run import Run


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """What the penalty pulls to, for every parameter of `trained_parameters`."""

    weights: dict[str, Tensor]
    """theta*, the weights at a task's end."""
    importance: dict[str, Tensor]
    """I >= 0, of the same shapes."""

    @classmethod
    def here(cls, run: Run, importance: Mapping[str, Tensor]) -> Anchor:
        """At the model's current weights."""
        return cls(weights=copies(trained_parameters(run.model)), importance=dict(importance))

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """`sum 1/2 I (theta - theta*)^2` over some or all parameters."""
        return quadratic_penalty(
            parameters,
            {name: self.weights[name] for name in parameters},
            {name: self.importance[name] for name in parameters},
        )


class Anchored(Method):
    """Plain training plus a penalty that is zero before the second task and without a factor."""

    carries_on = True
    joins_late = True
    penalty: ClassVar[str]
    """Name of the penalty among the losses; its epoch mean is the metric `train/loss/<name>`."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.anchors: list[Anchor] = []
        """Of the finished tasks; empty in the first one."""

    @property
    def factor(self) -> float:
        """What multiplies the penalty, on a loss in metres; 0 turns the method off."""
        raise NotImplementedError(f"{type(self).__name__} defines no factor")

    def on_epoch_start(self, run: Run) -> None:
        """Bring anchors that a checkpoint holds to the model's device and precision."""
        parameters = trained_parameters(run.model)
        self.anchors = [
            Anchor(
                weights=placed(self.penalty, anchor.weights, parameters),
                importance=placed(self.penalty, anchor.importance, parameters),
            )
            for anchor in self.anchors
        ]

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Add the penalty."""
        if not self.anchors or self.factor == 0:
            return losses
        parameters = trained_parameters(step.run.model)
        terms = [anchor.penalty(parameters) for anchor in self.anchors]
        return with_term(losses, self.penalty, self.factor * torch.stack(terms).sum())

    def state_dict(self) -> dict[str, Any]:
        """Weights and importance of every anchor."""
        return {"anchors": [{"weights": a.weights, "importance": a.importance} for a in self.anchors]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.anchors = [
            Anchor(weights=dict(kept["weights"]), importance=dict(kept["importance"]))
            for kept in state["anchors"]
        ]
