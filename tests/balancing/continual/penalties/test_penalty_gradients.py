"""The gradient of every penalty, against the formula written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_stream import ToyStream

from equipose.balancing.continual.penalties.anchored import Anchored
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.continual.penalties.ewc_adaptive import AdaptiveEWC
from equipose.balancing.continual.penalties.ewc_online import OnlineEWC
from equipose.balancing.continual.penalties.l2 import L2
from equipose.balancing.continual.penalties.mas import MAS
from equipose.balancing.continual.penalties.si import SI
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.balancing.method import MethodConfig, Step
from equipose.balancing.objectives.pose import pose_losses
from equipose.models.randomness import torch_rng

DOUBLE = {"dtype": torch.float64}
CASES: dict[str, tuple[MethodConfig, float]] = {
    "l2": (L2.Config(strength=3.0), 3.0),
    "ewc": (EWC.Config(strength=3.0), 3.0),
    "ewc, mm": (EWC.Config(strength=3.0, loss_unit="mm"), 3000.0),
    "ewc_online": (OnlineEWC.Config(strength=3.0), 3.0),
    "si": (SI.Config(strength=3.0), 6.0),
    "mas": (MAS.Config(strength=3.0), 6.0),
    "ewc_adaptive": (AdaptiveEWC.Config(strength=3.0, control=False), 3.0),
    "ewc_adaptive, controlled": (AdaptiveEWC.Config(strength=3.0), 30.0),
}
"""Config, and the factor on I (theta - theta*)."""


def third_task(toy_training: Callable[..., Any], config: MethodConfig, tasks: int = 2) -> Any:
    """A run after some tasks, in its first epoch, with weights away from the anchors."""
    stream = ToyStream(toy_training, config, DOUBLE)
    stream.run(tasks, 1)
    training = stream.training(tasks)
    with torch.no_grad():
        for number, parameter in enumerate(training.model.parameters()):
            parameter += 0.1 * torch.randn(
                parameter.shape, generator=torch_rng(number, "away"), dtype=torch.float64
            )
    training.method.on_epoch_start(training.view())
    return training


def penalty_of(training: Any) -> Tensor:
    """What the method adds to the losses of the first batch."""
    batch = training.batches[0]
    outputs = training.model(batch)
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
    losses = pose_losses(outputs, batch)
    shaped = training.method.shape_losses(losses, step)
    (name,) = shaped.keys() - losses.keys()
    return shaped[name]


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_factor_times_importance_times_distance(
    name: str, toy_training: Callable[..., Any]
) -> None:
    config, factor = CASES[name]
    training = third_task(toy_training, config)
    method, parameters = training.method, trained_parameters(training.model)
    assert isinstance(method, Anchored)
    found = torch.autograd.grad(penalty_of(training), list(parameters.values()))
    assert any(float(gradient.abs().max()) > 0 for gradient in found)
    for (key, parameter), gradient in zip(parameters.items(), found, strict=True):
        expected = sum(
            factor * anchor.importance[key] * (parameter.detach() - anchor.weights[key])
            for anchor in method.anchors
        )
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("config", "anchors"),
    [(EWC.Config(), 2), (OnlineEWC.Config(), 1), (SI.Config(), 1), (MAS.Config(), 1), (L2.Config(), 1)],
)
def test_anchors_kept(config: MethodConfig, anchors: int, toy_training: Callable[..., Any]) -> None:
    assert len(third_task(toy_training, config).method.anchors) == anchors


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_fisher_information_covers_everything_and_fades_by_gamma(
    gamma: float, toy_training: Callable[..., Any]
) -> None:
    stream = ToyStream(toy_training, OnlineEWC.Config(gamma=gamma), DOUBLE)
    expected: dict[str, Tensor] = {}
    for task in range(2):
        training = stream.training(task).fit(1)
        parameters = trained_parameters(training.model)
        assert {"fusion.weight", "fusion.bias"} < parameters.keys()
        for key, value in fisher_diagonal(
            training.model, training.batches, training.view().loss, parameters=parameters
        ).items():
            expected[key] = gamma * expected.get(key, torch.zeros_like(value)) + value
        stream.finish(training)
    torch.testing.assert_close(training.method.anchors[0].importance, expected, rtol=1e-10, atol=1e-14)


def test_another_model_is_refused(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, L2.Config())
    stream.run(1, 1)
    other = toy_training(L2(), 4)
    other.method.load_state_dict(stream.state)
    with pytest.raises(ValueError, match=r"state of l2 .*differ in .*needs the same model"):
        other.method.on_epoch_start(other.view())


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (L2.Config, {"strength": -1.0}, r"l2\.strength .* -1"),
        (EWC.Config, {"fisher": "exact"}, r"ewc\.fisher must be one of"),
        (EWC.Config, {"fisher_fraction": 0.0}, r"ewc\.fisher_fraction"),
        (OnlineEWC.Config, {"gamma": 1.5}, r"ewc_online\.gamma"),
        (OnlineEWC.Config, {"loss_unit": "cm"}, r"ewc_online\.loss_unit"),
        (AdaptiveEWC.Config, {"per_sensor": "all"}, r"ewc_adaptive\.per_sensor"),
        (AdaptiveEWC.Config, {"kappa": 2.0}, r"ewc_adaptive\.kappa"),
        (AdaptiveEWC.Config, {"delta": -0.1}, r"ewc_adaptive\.delta"),
        (SI.Config, {"damping": 0.0}, r"si\.damping"),
        (MAS.Config, {"rows": 0}, r"mas\.rows"),
    ],
)
def test_config_messages(config: type[MethodConfig], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**fields)
