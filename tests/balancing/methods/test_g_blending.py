from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from equipose.balancing.losses import POSE
from equipose.balancing.method import Method
from equipose.balancing.methods.g_blending import GBlending, blend, favoured
from equipose.balancing.parts.passes import head_losses, head_names


def test_weights_by_hand() -> None:
    # Joint: gains 20 mm, overfits 10 mm. First: gains 10, overfits 20. Second: gains 30, overfits 30.
    start = torch.tensor([[0.10, 0.20, 0.30], [0.12, 0.22, 0.32]], dtype=torch.float64)
    end = torch.tensor([[0.07, 0.17, 0.24], [0.10, 0.21, 0.29]], dtype=torch.float64)
    found = blend(start, end, floor=1e-9)
    raw = torch.tensor([20 / 10**2, 10 / 20**2, 30 / 30**2], dtype=torch.float64)
    torch.testing.assert_close(found, raw / raw.sum())


def test_gain_that_is_a_loss() -> None:
    start = torch.tensor([[0.1, 0.1], [0.1, 0.1]])
    end = torch.tensor([[0.1, 0.1], [0.12, 0.08]])
    assert blend(start, end).tolist() == pytest.approx([0.5, 0.5])
    assert blend(start, end, gain="positive").tolist() == [0, 1]


def test_no_gain_and_no_overfitting() -> None:
    same = torch.ones(2, 3)
    assert blend(same, same).tolist() == pytest.approx([1 / 3] * 3)
    better = torch.tensor([[0.9, 1.0, 1.0], [0.9, 1.0, 1.0]])
    found = blend(same, better)
    assert found.isfinite().all()
    assert found.tolist() == pytest.approx([1, 0, 0])


def test_super_epochs(toy_training: Callable) -> None:
    method = GBlending(GBlending.Config(super_epoch=2))
    training = toy_training(method, dtype=torch.float64)
    names = head_names(training.view())
    assert names == [POSE, "pose/rgb", "pose/lidar", "pose/mmwave"]
    start = torch.stack(
        [head_losses(training.view(), b) for b in (training.batches, training.view().validation_batches())]
    )
    training.fit(2)
    assert method.weights is not None
    assert method.weights.tolist() == [0.25] * 4
    end = torch.stack(
        [head_losses(training.view(), b) for b in (training.batches, training.view().validation_batches())]
    )
    training.fit(3)
    torch.testing.assert_close(method.weights, blend(start, end))
    assert training.logged["method/weight/pose/lidar"] == method.weights[2]
    weights = method.weights
    training.fit(4)
    assert method.weights is weights


def test_only_heads_are_weighed(toy_training: Callable) -> None:
    method = GBlending()
    training = toy_training(method)
    training.run_epoch()
    losses = {POSE: torch.tensor(4.0), "pose/rgb": torch.tensor(8.0), "awc": torch.tensor(3.0)}

    class Stub:
        run = training.view()

    shaped = method.shape_losses(losses, Stub())  # type: ignore[arg-type]
    assert {name: float(value) for name, value in shaped.items()} == {POSE: 1, "pose/rgb": 2, "awc": 3}


def test_needs_validation_data(toy_training: Callable) -> None:
    run = replace(toy_training(GBlending()).view(), validation_batches=None)
    with pytest.raises(ValueError, match="give the run validation data"):
        GBlending().on_epoch_start(run)
    assert GBlending().needs == {"unimodal_heads"}
    assert not Method().needs


@pytest.mark.parametrize(
    ("field", "value"), [("super_epoch", 0), ("gain", "x"), ("floor", 0.0), ("fraction", 0.0)]
)
def test_rejects(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"g_blending\.{field} must"):
        GBlending.Config(**{field: value})  # type: ignore[arg-type]


def test_the_joint_head_can_be_favoured() -> None:
    """(1, 2, 1) / 4 with a doubled first: (2, 2, 1) / 5; a factor of 1 changes nothing."""
    weights = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    assert favoured(weights, 2.0).tolist() == pytest.approx([0.4, 0.4, 0.2])
    assert favoured(weights, 1.0).tolist() == pytest.approx(weights.tolist())
