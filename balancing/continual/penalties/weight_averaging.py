"""The weights at a task's end, averaged with those at its start.

`theta <- w theta_start + (1 - w) theta`: the two models are on one path of training, so their mean lies in a
region where both tasks' losses are low if the tasks are alike. Averaging models of one start is that of
Wortsman et al. (CVPR 2022, arXiv 2109.01903) and Ilharco et al. (NeurIPS 2022, arXiv 2208.05592); once per
task of a stream is our use of it. No other penalty, no pass over data but for batch statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equipose.balancing.continual.weights import copies, placed, trained_parameters
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "weight_averaging"


class WeightAveraging(Method):
    """Trains every task plainly and moves the weights when it is over."""

    carries_on = True
    joins_late = True
    moves_weights_at_end = True

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The share was not tuned."""

        share: float = searched(0.5, low=0.2, high=0.8)
        """w, the weight of the task's start; 0 is plain training."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.share <= 1:
                raise ValueError(f"{NAME}.share must lie in [0, 1], got {self.share}")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.start: dict[str, Tensor] = {}
        """Weights at the end of the task before, averaged; empty in the first task."""

    def on_task_end(self, run: Run) -> None:
        """Average from the second task on, bring batch statistics along, and remember the result."""
        if self.config.share == 0:
            return
        parameters = trained_parameters(run.model)
        if self.start:
            start = placed(NAME, self.start, parameters)
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.lerp_(start[name], self.config.share)
            run.recalibrate()
        self.start = copies(parameters)

    def state_dict(self) -> dict[str, Any]:
        """The weights at the task's start."""
        return {"start": self.start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.start = dict(state["start"])
