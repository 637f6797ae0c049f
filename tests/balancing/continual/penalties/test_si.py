from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from toy_stream import ToyStream

from equipose.balancing.continual.penalties.si import SI
from equipose.balancing.continual.weights import copies, trained_parameters

DOUBLE = {"dtype": torch.float64}


def test_importance_is_what_the_steps_gained(toy_training: Callable[..., Any]) -> None:
    """Watched from outside: gradient and move of every step, over two epochs."""
    config = SI.Config(damping=1e-3)
    training = ToyStream(toy_training, config, DOUBLE).training(0)
    parameters = trained_parameters(training.model)
    start = copies(parameters)
    gained = {name: torch.zeros_like(p) for name, p in parameters.items()}
    move = training.step

    def step(*args: Any) -> None:
        before = copies(parameters)
        move(*args)
        for name, p in parameters.items():
            gained[name] -= p.grad * (p.detach() - before[name])

    training.step = step
    training.fit(2)
    training.method.on_task_end(training.view())
    (anchor,) = training.method.anchors
    assert any(bool((value > 0).any()) for value in gained.values())
    for name, p in parameters.items():
        expected = gained[name].clamp_min(0) / ((p.detach() - start[name]).square() + 1e-3)
        torch.testing.assert_close(anchor.importance[name], expected, rtol=1e-9, atol=1e-12)


def test_the_penaltys_own_gradient_counts_for_nothing(toy_training: Callable[..., Any]) -> None:
    """The path of task 2 is that of the task's gradient, which another strength of the penalty does not
    change in the first step."""
    paths = []
    for strength in (1.0, 50.0):
        stream = ToyStream(toy_training, SI.Config(strength=strength), DOUBLE)
        stream.weights, stream.state = _after_first_task(toy_training)
        training = stream.training(1)
        with torch.no_grad():
            training.model.fusion.bias += 0.1
        view = training.view()
        training.method.on_epoch_start(view)
        training.step(view, 0, training.batches[0])
        paths.append(training.method.last["gradient"])
    torch.testing.assert_close(paths[0], paths[1], rtol=1e-9, atol=1e-12)


def _after_first_task(toy_training: Callable[..., Any]) -> tuple[Any, Any]:
    stream = ToyStream(toy_training, SI.Config(), DOUBLE)
    stream.run(1, 2)
    return stream.weights, stream.state
