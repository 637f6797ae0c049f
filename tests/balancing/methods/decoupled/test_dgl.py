from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.balancing.losses import total_loss
from equipose.balancing.method import StepContext
from equipose.balancing.methods.decoupled.dgl import DGL
from equipose.balancing.methods.decoupled.own_losses import separate_losses
from equipose.models.randomness import torch_rng

Config = DGL.Config


def context_of(training) -> StepContext:
    return StepContext(
        run=training.view(), wrapped=training.wrapped, optimizer=training.optimizer,
        batch=training.batches[0], index=0, rng=torch_rng(0),
    )  # fmt: skip


def test_every_parameter_has_one_loss(toy_training: Callable) -> None:
    """The pose loss ends at the fusion, and a head's loss reaches its own encoder and no other."""
    training = toy_training(DGL(), dtype=torch.float64)
    for name, loss in separate_losses(context_of(training)).items():
        training.model.zero_grad()
        loss.backward(retain_graph=True)
        reached = {n for n, p in training.model.named_parameters() if p.grad is not None and p.grad.any()}
        if name == "pose":
            assert reached == {"fusion.weight", "fusion.bias"}
        else:
            modality = name.split("/")[1]
            prefixes = (f"encoders.{modality}.", f"heads.{modality}.")
            assert reached == {n for n, _ in training.model.named_parameters() if n.startswith(prefixes)}


def test_a_head_learns_from_rows_that_have_its_modality(toy_training: Callable) -> None:
    training = toy_training(DGL(), dtype=torch.float64)
    context, batch = context_of(training), training.batches[0]
    poses = training.model(batch).unimodal
    losses = separate_losses(context)
    assert not batch.present.all()
    for m, (name, pose) in enumerate(poses.items()):
        errors = training.view().loss(pose, batch.pose)[batch.present[:, m]]
        torch.testing.assert_close(losses[f"pose/{name}"], errors.mean())


def test_alpha_is_the_length_of_the_step_of_encoders_and_heads(toy_training: Callable) -> None:
    steps = {}
    for alpha in (1.0, 4.0):
        training = toy_training(DGL(Config(alpha=alpha)), dtype=torch.float64)
        before = {n: p.detach().clone() for n, p in training.model.named_parameters()}
        training.method.take_step(context_of(training))
        steps[alpha] = {n: p.detach() - before[n] for n, p in training.model.named_parameters()}
    for name, step in steps[4.0].items():
        factor = 4 if name.startswith(("encoders.", "heads.")) else 1
        torch.testing.assert_close(step, factor * steps[1.0][name])
        assert step.abs().max() > 0


def test_a_step_of_one_is_that_of_the_summed_losses(toy_training: Callable) -> None:
    training, other = (toy_training(DGL(Config(alpha=1.0)), dtype=torch.float64) for _ in range(2))
    training.method.take_step(context_of(training))
    other.optimizer.zero_grad()
    total_loss(separate_losses(context_of(other))).backward()
    other.optimizer.step()
    torch.testing.assert_close(training.weights(), other.weights())


def test_rejects() -> None:
    with pytest.raises(ValueError, match=r"dgl\.alpha must be finite and above 0"):
        Config(alpha=0.0)
