"""Memory aware synapses (Aljundi et al., ECCV 2018, arXiv 1711.09601): how much each weight moves the output.

    L = l + lambda sum Omega_i (theta_i - theta*_i)^2,
    Omega_i = mean over rows x of |d norm(y(x) - y_bar)^2 / d theta_i|, summed over tasks.

The paper has no `y_bar`; here it is the mean prediction on the task, as the squared length
of a pose in metres from the camera is mostly its depth of some 3 m, and so would be the importance. The
absolute value needs every row's own gradient, one backward pass each, so a sample of rows is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.penalties.anchored import Anchor, Anchored
from equipose.balancing.continual.shown import shown, spread
from equipose.balancing.continual.weights import placed, trained_parameters
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import MethodConfig
from equipose.balancing.parts.gradients import flat_gradient
from equipose.balancing.run import Run
from equipose.balancing.schedules import fixed_count
from equipose.balancing.search_spaces import searched
from equipose.models.batch import rows_of

NAME = "mas"


def mean_prediction(run: Run, rows: Tensor) -> Tensor:
    """[17, 3] float64 m, the mean prediction on rows of the task, over all ranks."""
    device = next(run.model.parameters()).device
    total: Tensor = torch.zeros((), dtype=torch.float64, device=device)
    count = 0
    with torch.no_grad(), evaluating(run.model):
        for batch in shown(run, rows):
            total = total + run.model(batch).pose.double().sum(dim=0)
            count += len(batch)
    pose = total.expand(17, 3).flatten()
    joined = run.mean(torch.cat([pose, pose.new_tensor([count])]))
    return (joined[:-1] / joined[-1]).view(17, 3)


def sensitivity(run: Run, rows: Tensor) -> dict[str, Tensor]:
    """name -> Omega of one task at the current weights; sums over rows and ranks in float64, divided once."""
    model, parameters = run.model, trained_parameters(run.model)
    centre = mean_prediction(run, rows)
    sizes = [p.numel() for p in parameters.values()]
    total = torch.zeros(sum(sizes) + 1, dtype=torch.float64, device=centre.device)
    with evaluating(model), torch.enable_grad():
        for batch in shown(run, rows):
            for row in range(len(batch)):
                pose = model(rows_of(batch, slice(row, row + 1))).pose
                length = (pose - centre.to(pose)).square().sum()
                total[:-1] += flat_gradient(length, list(parameters.values()), keep_graph=False).abs()
                total[-1] += 1
    joined = run.mean(total)
    parts = (joined[:-1] / joined[-1]).split(sizes)
    return {n: part.view_as(p).to(p.dtype) for (n, p), part in zip(parameters.items(), parts, strict=True)}


class MAS(Anchored):
    """Needs no labels: importance is that of the output."""

    penalty = NAME

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The strength lies in the middle of the range that simulated streams suggest."""

        strength: float = searched(10.0, low=1.0, high=100.0)
        """lambda, 1/m."""
        rows: int = fixed_count(256)
        """Rows of a task on which the importance is measured, evenly spaced."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)
            checks.at_least(NAME, self, "rows", 1)

    config: Config

    @property
    def factor(self) -> float:
        """2 lambda, as the shared penalty has a half."""
        return 2 * self.config.strength

    def on_task_end(self, run: Run) -> None:
        """Add the task's importance and move the anchor."""
        if not self.factor:
            return
        importance = sensitivity(run, spread(run.training_rows, self.config.rows))
        for anchor in self.anchors:
            before = placed(NAME, anchor.importance, trained_parameters(run.model))
            importance = {name: before[name] + new for name, new in importance.items()}
        self.anchors = [Anchor.here(run, importance)]
