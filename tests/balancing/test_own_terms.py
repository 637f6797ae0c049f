"""What a method adds to the encoders' gradient must weigh at its default, and must not drown the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from reference_problem import method_gradient, problem, task_gradient

from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.methods.pmr import PMR
from equipose.balancing.methods.recon_boost import ReconBoost
from equipose.balancing.registry import METHODS
from equipose.balancing.run import Run
from equipose.models.batch import Batch

NO_TERM: dict[str, str] = {
    "plain": "it adds nothing",
    "modality_resampling": "it changes which rows an epoch visits, not the gradient of a step",
    "sample_resampling": "it changes which rows an epoch visits, not the gradient of a step",
    "relearning": "it moves weights between epochs",
    "modality_dropout": "it hides readings before the step",
}
"""Methods that leave the gradient of a step as it is, and why."""
WITHOUT: dict[str, dict[str, float]] = {"recon_boost": {"alpha": 0.0}}
"""Settings that take a method's own term out of its gradient; others are compared with the task's."""
LEAST, MOST = 0.05, 10.0
MEASURED = range(2, 5)
"""Epochs, after a warm-up with the method."""


def own_share(toy_training: Callable[..., Any], config: MethodConfig, without: dict[str, float]) -> float:
    """Norm of the method's change to the encoders' gradient over the task's; means over some steps."""
    training = problem(toy_training, config)
    method, move = training.method, training.step
    norms = []

    def step(run: Run, index: int, batch: Batch) -> None:
        if run.epoch in MEASURED:
            task = task_gradient(training.model, batch)
            base = task
            if without:
                reference: Method = type(method)(replace(method.config, **without))
                reference.load_state_dict(method.state_dict())
                base = method_gradient(training, reference, run, index, batch)
            own = method_gradient(training, method, run, index, batch) - base
            norms.append(torch.stack([own.norm(), task.norm()]))
        move(run, index, batch)

    training.step = step
    training.fit(MEASURED.stop)
    added, task = torch.stack(norms).mean(dim=0).tolist()
    return float(added / task)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NO_TERM])
def test_the_own_term_weighs(name: str, toy_training: Callable[..., Any]) -> None:
    share = own_share(toy_training, METHODS[name].Config(), WITHOUT.get(name, {}))
    assert LEAST < share < MOST, f"the term of {name} is {share:.4f} of the task's gradient"


@pytest.mark.parametrize(
    ("config", "without"),
    [(PMR.Config(alpha=0.01), {}), (ReconBoost.Config(alpha=0.005), {"alpha": 0.0})],
)
def test_a_term_that_does_not_weigh_is_found(
    config: MethodConfig, without: dict[str, float], toy_training: Callable[..., Any]
) -> None:
    assert 0 < own_share(toy_training, config, without) < LEAST


@pytest.mark.parametrize("name", NO_TERM)
def test_exemptions_leave_the_step_alone(name: str) -> None:
    method = METHODS[name]()
    assert not method.shapes_step
    assert not method.replaces_step
