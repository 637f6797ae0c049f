from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.compose import chain
from equipose.balancing.losses import Losses, with_term
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.subsets.random_subsets import RandomSubsets, drawn_subset
from equipose.balancing.objectives.pose import pose_losses
from equipose.models.randomness import torch_rng

Config = RandomSubsets.Config


def test_subsets_are_never_empty_and_come_as_often_as_they_should() -> None:
    """Of two sensors with 0.5: three subsets remain, each with probability 1/3."""
    rng = torch_rng(0)
    drawn = torch.stack([drawn_subset(torch.tensor([0.5, 0.5]), rng) for _ in range(3000)])
    assert drawn.any(dim=1).all()
    # A standard error of 0.009.
    assert drawn.float().mean(dim=0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.04)
    assert drawn_subset(torch.tensor([1.0, 1.0]), rng).all()


def shaped(training, seed: int) -> tuple[Losses, Step]:
    batch = training.batches[0]
    outputs = training.model(batch)
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(seed))
    return training.method.shape_losses(pose_losses(outputs, batch), step), step


def test_the_task_loss_is_that_of_the_subset(toy_training: Callable) -> None:
    sizes = set()
    for seed in range(8):
        training = toy_training(RandomSubsets(), dtype=torch.float64)
        losses, step = shaped(training, seed)
        subset = torch.tensor([training.logged[f"method/used/{m}"] for m in training.model.modalities]).bool()
        left = step.batch.present & subset
        usable = left.any(dim=1) | ~step.batch.present.any(dim=1)
        errors = step.run.loss(training.model.fuse(step.outputs.features, left), step.batch.pose)
        torch.testing.assert_close(losses["pose"], errors[usable].mean())
        sizes.add(int(subset.sum()))
    assert sizes == {1, 2, 3}


def test_encoders_left_out_get_no_gradient(toy_training: Callable) -> None:
    method = RandomSubsets(Config(probability=1e-9, probabilities={"rgb": 1.0}))
    training = toy_training(method)
    losses, _ = shaped(training, 0)
    losses["pose"].backward()
    for modality, group in training.model.encoder_parameters().items():
        moved = any(bool(p.grad.any()) for p in group.values())
        assert moved == (modality == "rgb")


def test_certain_sensors_are_plain_training(toy_training: Callable) -> None:
    subset = toy_training(RandomSubsets(Config(probability=1.0)), dtype=torch.float64).fit(2).weights()
    plain = toy_training(Method(), dtype=torch.float64).fit(2).weights()
    torch.testing.assert_close(subset, plain)


def test_it_comes_before_what_changes_the_task_loss(toy_training: Callable) -> None:
    class Doubled(Method):
        def shape_losses(self, losses: Losses, step: Step) -> Losses:
            return with_term(losses, "pose", losses["pose"])

    with pytest.raises(ValueError, match="put random_subsets first"):
        toy_training(chain(double=Doubled(), subsets=RandomSubsets())).fit(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"probability": 0.0}, r"random_subsets\.probability must lie in \(0, 1\]"),
        ({"probabilities": {"rgb": 1.5}}, r"random_subsets\.probabilities\['rgb'\] must lie in \(0, 1\]"),
        ({"probabilities": {"sonar": 0.1}}, "unknown sensor 'sonar'"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
