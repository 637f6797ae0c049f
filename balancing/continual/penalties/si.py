"""Synaptic intelligence (Zenke et al., ICML 2017, arXiv 1703.04200): what each weight did for the loss.

Along the path of training every weight collects `omega_i = -sum over steps of g_i dtheta_i`, what its moves
took from the loss. At a task's end

    Omega_i <- Omega_i + max(0, omega_i) / ((theta_T,i - theta_0,i)^2 + xi),

and the next tasks' loss gains `c sum Omega (theta - theta*)^2`. g is the gradient without this penalty's own.
A step's move is read at the next step, because Adam's move is known only then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.weights import copies, placed, trained_parameters, zeros_like
from equipose.balancing.method import MethodConfig, Step
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "si"


class SI(Anchored):
    """Importance from training itself, without an extra pass; it must have seen every step."""

    penalty = NAME
    joins_late = False  # the path through the first task is lost if another method trained it

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The strength was chosen on simulated streams."""

        strength: float = searched(10.0, low=0.01, high=100.0)
        """c."""
        damping: float = 1e-4
        """xi, squared unit of a weight: keeps weights that hardly moved from seeming important."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)
            checks.positive(NAME, self, "damping")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.start: dict[str, Tensor] = {}
        """theta_0."""
        self.path: dict[str, Tensor] = {}
        """omega."""
        self.last: dict[str, Any] = {}
        """The latest step: its epoch, weights before it and gradient by name; empty once it is counted."""

    @property
    def factor(self) -> float:
        """2 c, as the shared penalty has a half."""
        return 2 * self.config.strength

    def on_epoch_start(self, run: Run) -> None:
        """Count the last epoch's last step; at a task's start, begin a new path."""
        super().on_epoch_start(run)
        if not self.factor:
            return
        parameters = trained_parameters(run.model)
        if run.epoch == 0 or not self.start:
            self.start, self.path, self.last = copies(parameters), zeros_like(parameters), {}
        self.start, self.path = placed(NAME, self.start, parameters), placed(NAME, self.path, parameters)
        self._count(run)

    def shape_gradients(self, step: Step) -> None:
        """Count the step before, and keep what this one's count will need."""
        if not self.factor:
            return
        self._count(step.run)
        moving = {n: p for n, p in trained_parameters(step.run.model).items() if p.grad is not None}
        gradient = {name: p.grad.detach().clone() for name, p in moving.items() if p.grad is not None}
        for anchor in self.anchors:
            for name, p in moving.items():
                pull = anchor.importance[name] * (p.detach() - anchor.weights[name])
                gradient[name] -= self.factor * pull
        self.last = {"epoch": step.run.epoch, "weights": copies(moving), "gradient": gradient}

    def on_task_end(self, run: Run) -> None:
        """Turn the path into importance and anchor the weights."""
        if not self.factor:
            return
        self._count(run)
        parameters = trained_parameters(run.model)
        importance = zeros_like(parameters)
        for anchor in self.anchors:
            importance = placed(NAME, anchor.importance, parameters)
        for name, p in parameters.items() if self.path else ():
            moved = p.detach() - self.start[name].to(p)
            gained = self.path[name].to(p).clamp_min(0) / (moved.square() + self.config.damping)
            importance[name] = importance[name] + gained
        self.anchors = [Anchor.here(run, importance)]
        self.start, self.path, self.last = {}, {}, {}

    def _count(self, run: Run) -> None:
        """Add the latest step to the path, unless other epochs have moved the weights since."""
        if self.last and run.epoch - self.last["epoch"] <= 1:
            parameters = trained_parameters(run.model)
            with torch.no_grad():
                for name, gradient in self.last["gradient"].items():
                    p = parameters[name]
                    self.path[name] -= gradient.to(p) * (p - self.last["weights"][name].to(p))
        self.last = {}

    def state_dict(self) -> dict[str, Any]:
        """Anchor, start of the task, path, and the step that is not counted yet."""
        return {**super().state_dict(), "start": self.start, "path": self.path, "last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        super().load_state_dict(state)
        self.start, self.path, self.last = dict(state["start"]), dict(state["path"]), dict(state["last"])
