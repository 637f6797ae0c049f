from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.balancing.method import Step
from equipose.balancing.methods.regulated.cggm import CGGM, coefficients, encoder_poses, error_directions
from equipose.models.randomness import torch_rng

Config = CGGM.Config


def test_coefficients_by_hand() -> None:
    """Improvements 3, 1 and 0 (a step back counts as none): (4 - 3) / 4, (4 - 1) / 4, 1."""
    before, now = torch.tensor([10.0, 10.0, 10.0]), torch.tensor([7.0, 9.0, 12.0])
    assert coefficients(before, now).tolist() == pytest.approx([0.25, 0.75, 1.0])


def test_without_improvement_all_are_equal() -> None:
    now = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for before in (None, now, now - 1):
        assert coefficients(before, now).tolist() == [0.75] * 4
    assert coefficients(None, now[:1]).tolist() == [1.0]


def test_error_directions_by_hand(loss: Callable) -> None:
    """Two joints, errors (3, 4, 0) and (0, 0, 2): unit vectors over the number of joints."""
    pose = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]]])
    found = error_directions(loss, pose, torch.zeros(1, 2, 3), keep_graph=False)
    assert found.tolist() == [pytest.approx([0.3, 0.4, 0.0, 0.0, 0.0, 0.5])]


def step_of(training) -> Step:
    batch = training.batches[0]
    return Step(run=training.view(), index=0, batch=batch, outputs=training.model(batch), rng=torch_rng(0))


def test_the_direction_loss_turns_encoders_and_leaves_heads(toy_training: Callable) -> None:
    training = toy_training(CGGM(), dtype=torch.float64)
    step = step_of(training)
    for name, pose in encoder_poses(step).items():
        assert torch.equal(pose, step.outputs.unimodal[name])
    method = training.method
    pose_loss = step.run.loss(step.outputs.pose, step.batch.pose).mean()
    losses = method.shape_losses({"pose": pose_loss}, step)
    losses["cggm"].backward()
    for name, parameter in training.model.named_parameters():
        if name.startswith("encoders."):
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name  # noqa: PT018
        else:
            assert parameter.grad is None or (parameter.grad == 0).all(), name


def test_the_direction_loss_by_hand(toy_training: Callable) -> None:
    """lambda L / M sum_m B_m (1 - cos), cos being the mean over joints, over rows with the modality."""
    method = CGGM()
    training = toy_training(method, dtype=torch.float64)
    step = step_of(training)
    target, present = step.batch.pose, step.batch.present
    pose_loss = training.view().loss(step.outputs.pose, target).mean()
    found = method.shape_losses({"pose": pose_loss}, step)["cggm"]

    def unit(pose: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(pose.detach() - target, dim=-1)

    expected = 0.0
    for m, name in enumerate(training.model.modalities):
        cosine = (unit(step.outputs.unimodal[name]) * unit(step.outputs.pose)).sum(-1).mean(-1)
        expected += 2 / 3 * float((1 - cosine)[present[:, m]].mean()) / 3
    assert float(found.detach()) == pytest.approx(float(pose_loss.detach()) * expected)


def test_gradients_are_scaled_by_rho_and_the_coefficient(toy_training: Callable) -> None:
    method = CGGM(Config(direction=0.0))
    training, reference = toy_training(method), toy_training(CGGM(Config(direction=0.0, rho=1.0)))
    for each in (training, reference):
        each.batches = each.batches[:1]
        # Errors of a step before, with which the modalities improved differently.
        each.method.load_state_dict({"errors": torch.tensor([9.0, 8.0, 7.0], dtype=torch.float64)})
        each.run_epoch()
    factors = [training.logged[f"method/coefficient/{m}"] for m in training.model.modalities]
    assert sum(factors) == pytest.approx(1.3 * 2)
    assert len(set(factors)) == 3
    expected = dict(reference.model.named_parameters())
    for name, parameter in training.model.named_parameters():
        scale = 1.3 if name.startswith("encoders.") else 1.0
        torch.testing.assert_close(parameter.grad, expected[name].grad * scale)


@pytest.mark.parametrize("field", ["rho", "direction", "unit"])
def test_rejects(field: str) -> None:
    with pytest.raises(ValueError, match=rf"cggm\.{field} must"):
        Config(**{field: -1.0})  # type: ignore[arg-type]
