"""A stream of toy tasks: each mounts the sensors anew, and gets the weights and method state of the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.registry import build_method
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng

SHIFT = 0.8
"""Standard deviation of what a new mounting does to the inputs."""


def shifted(batches: list[Batch], task: int) -> list[Batch]:
    """The batches as another mounting of the sensors sees them, with rows of their own."""
    count = sum(map(len, batches))
    moved = []
    for batch in batches:
        inputs = {}
        for m, (name, value) in enumerate(batch.inputs.items()):
            rng = torch_rng(7, "mounting", task, m)
            turn = torch.eye(value.shape[1]) + SHIFT * (task > 0) * torch.randn(5, 5, generator=rng) / 5**0.5
            inputs[name] = value @ turn.to(value)
        moved.append(replace(batch, inputs=inputs, index=batch.index + task * count))
    return moved


@dataclass
class ToyStream:
    """Runs of one method over tasks; `options` go to `toy_training`."""

    toy_training: Callable[..., Any]
    config: MethodConfig | None = None
    """None is plain training."""
    options: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] | None = None
    """Of the model, at the last task's end."""
    state: dict[str, Any] | None = None
    """Of the method, at the last task's end."""
    prepared: list[Any] = field(default_factory=list)
    """Runs of the coming tasks, if they are built before threads start: building draws random numbers."""

    def prepare(self, tasks: int) -> ToyStream:
        """Build the runs of so many tasks now."""
        self.prepared = [self._built(task) for task in range(tasks)]
        return self

    def _built(self, task: int) -> Any:
        method = Method() if self.config is None else build_method(self.config)
        return self.toy_training(method, task=task, **self.options)

    def training(self, task: int) -> Any:
        """The run of a task, at its start."""
        training = self.prepared[task] if self.prepared else self._built(task)
        method = training.method
        data = [shifted(training.batches, number) for number in range(task + 1)]
        training.earlier, training.batches = [b for part in data[:-1] for b in part], data[-1]
        if self.weights is not None and not method.from_scratch:
            training.model.load_state_dict(self.weights)
        if self.state is not None and self.config is not None:
            method.load_state_dict(self.state)
        return training

    def finish(self, training: Any) -> None:
        """The end of a task."""
        training.method.on_task_end(training.view())
        self.weights = {name: value.clone() for name, value in training.model.state_dict().items()}
        self.state = training.method.state_dict()

    def run(self, tasks: int, epochs: int) -> Any:
        """Train this many tasks; the last run."""
        for task in range(tasks):
            training = self.training(task).fit(epochs)
            self.finish(training)
        return training


def error(training: Any, batches: list[Batch]) -> float:
    """Mean error of a run's model, m."""
    with torch.no_grad(), evaluating(training.model):
        return float(torch.cat([mpjpe(training.model(b).pose, b.pose) for b in batches]).mean())
