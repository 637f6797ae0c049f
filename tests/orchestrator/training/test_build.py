"""The optimiser of a run is the one that its config names."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from equipose.orchestrator.training.build import build_optimizer
from equipose.orchestrator.training.config import OptimizerConfig


def stepped(config: OptimizerConfig, gradients: list[float]) -> float:
    """A weight that starts at 0, after steps with these gradients."""
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = build_optimizer(config, [weight])
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    return float(weight.detach())


def test_sgd_has_momentum() -> None:
    config = OptimizerConfig(name="sgd", lr=0.1, momentum=0.5)
    # Velocities 1 and 2 + 0.5.
    assert stepped(config, [1.0, 2.0]) == pytest.approx(-0.1 * (1.0 + 2.5))


def test_adam_cancels_a_constant_factor_and_sgd_does_not() -> None:
    for name, same in (("adam", True), ("sgd", False)):
        config = OptimizerConfig(name=name, lr=0.1)  # type: ignore[arg-type]
        one, tenfold = stepped(config, [1.0, 2.0]), stepped(config, [10.0, 20.0])
        assert (one == pytest.approx(tenfold, rel=1e-5)) == same


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_weight_decay_is_passed_on(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(()))
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    weight.grad = torch.zeros(())
    build_optimizer(config, [weight]).step()
    assert float(weight.detach()) < 1


def test_an_optimiser_imports_no_compiler() -> None:
    """It takes almost as long as torch itself, in every process that trains."""
    code = """
import sys
import torch
from equipose.orchestrator.training.build import build_optimizer
from equipose.orchestrator.training.config import OptimizerConfig

weight = torch.nn.Parameter(torch.ones(()))
optimizer = build_optimizer(OptimizerConfig(), [weight])
optimizer.zero_grad()
weight.grad = torch.ones(())
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
