from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from toy_stream import ToyStream, error

from equipose.balancing.continual.distilled.lwf import LwF, gates
from equipose.balancing.method import Step
from equipose.balancing.objectives.pose import pose_losses
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng

NOISY: dict[str, Any] = {"norm": "batch", "dropout": 0.3}


def distillation(training: Any, batch: Batch) -> float:
    """What the method adds to the losses of a batch."""
    outputs = training.model(batch)
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
    return float(training.method.shape_losses(pose_losses(outputs, batch), step)["lwf"].detach())


def test_gates_close_where_the_teacher_is_wrong() -> None:
    assert gates(torch.tensor([0.0, 0.2]), 0.1).tolist() == pytest.approx([1.0, 0.1353], abs=1e-4)
    assert gates(torch.tensor([0.1]), 0.0).tolist() == [0.0]


@pytest.mark.parametrize("gated", [False, True])
def test_the_term_is_the_distance_to_the_old_model(gated: bool, toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, LwF.Config(strength=2.0, gated=gated))
    first = stream.run(1, 2)
    second = stream.training(1)
    batch = second.batches[0]
    assert distillation(second, batch) == 0
    second.fit(2)
    old, new = first.model(batch).pose.detach(), second.model(batch).pose.detach()
    weights = torch.exp(-mpjpe(old, batch.pose) / first.method.home) if gated else torch.ones(len(batch))
    expected = float(2.0 * (weights * mpjpe(new, old)).mean().detach())
    assert expected > 0
    assert distillation(second, batch) == pytest.approx(expected, rel=1e-5)


def test_home_is_the_error_on_the_teachers_own_task(toy_training: Callable[..., Any]) -> None:
    first = ToyStream(toy_training, LwF.Config()).run(1, 2)
    assert first.method.home == pytest.approx(error(first, first.batches), rel=1e-5)


def test_the_teacher_is_frozen_in_evaluation_mode(toy_training: Callable[..., Any]) -> None:
    """With dropout and batch statistics it still predicts what the old model does in evaluation mode."""
    stream = ToyStream(toy_training, LwF.Config(), NOISY)
    first = stream.run(1, 2)
    second = stream.training(1).fit(2)
    first.model.eval()
    batch = second.batches[0]
    poses = second.method.teacher.poses(second.model, batch)
    torch.testing.assert_close(poses, first.model(batch).pose, rtol=0, atol=0)
    assert not poses.requires_grad
    assert second.model.training
    assert all(parameter.requires_grad for parameter in second.model.parameters())


def test_config_message() -> None:
    with pytest.raises(ValueError, match=r"lwf\.strength .* -1"):
        LwF.Config(strength=-1.0)
