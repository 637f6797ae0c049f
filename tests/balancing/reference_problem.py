"""A small problem in real units on which a method's dial and its own term can be measured.

A hidden state per frame decides the pose, an action shifts the state, and each sensor sees the state with
more noise and more of the person's style than the one before. Poses also hold a person's body, which no
sensor sees: four training people are few enough to be learnt by heart, the weak sensor's above all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Method, MethodConfig, StepContext
from equipose.balancing.registry import build_method
from equipose.balancing.run import Run
from equipose.balancing.schedules import fitted, share_of
from equipose.balancing.train_step import take_step
from equipose.models.batch import Batch, rows_of
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng
from equipose.models.sensors import DEFAULT_SENSORS

EPOCHS, MODALITIES, INPUTS, STATE, ACTIONS = 12, 3, 5, 3, 8
ROWS, BATCH, LR = 256, 64, 0.01
HIDDEN, FEATURES = 32, 16
NOISE = (0.2, 0.5, 0.9)
"""Of each sensor, in units of the state."""
STYLE = (0.1, 0.5, 1.0)
"""Of a person, in each sensor's reading."""
BODY = 0.02
"""Of a person's joints, m."""


def people(purpose: str, persons: int, count: int) -> Batch:
    """`count` frames of `persons` people; poses with a spread of about 150 mm per axis around zero."""
    shared, rng = torch_rng(0, "reference"), torch_rng(0, "reference", purpose)
    names = DEFAULT_SENSORS[:MODALITIES]
    readout = torch.randn(STATE, 51, generator=shared) * 0.1 / STATE**0.5
    views = {name: torch.randn(STATE, INPUTS, generator=shared) / STATE**0.5 for name in names}
    shift = 1.5 * torch.randn(ACTIONS, STATE, generator=shared)
    person, action = torch.arange(count) % persons, torch.arange(count) // persons % ACTIONS
    state = shift[action] + torch.randn(count, STATE, generator=rng)
    body = BODY * torch.randn(persons, 51, generator=rng)
    inputs = {}
    for name, noise, style in zip(names, NOISE, STYLE, strict=True):
        own = style * torch.randn(persons, INPUTS, generator=rng)[person]
        inputs[name] = state @ views[name] + own + noise * torch.randn(count, INPUTS, generator=rng)
    return Batch(
        inputs=inputs,
        masks={},
        present=torch.ones(count, MODALITIES, dtype=torch.bool),
        pose=(state @ readout + body[person]).unflatten(1, (17, 3)),
        index=torch.arange(count),
        labels={"subject": person + 1, "action": action + 1},
    )


def problem(toy_training: Callable[..., Any], config: MethodConfig, seed: int = 0) -> Any:
    """A `ToyTraining` on this problem, schedules at their share of it.

    The seed decides first weights, order and the method's own randomness, never the data.
    """
    training = toy_training(build_method(fitted(config, EPOCHS)), MODALITIES, seed=seed, lr=LR, epochs=EPOCHS)
    heads = bool(len(training.model.heads))
    model = type(training.model)(MODALITIES, seed=seed, heads=heads, hidden=HIDDEN, features=FEATURES)
    train = people("train", 4, ROWS)
    order = torch.randperm(ROWS, generator=torch_rng(seed, "rows")).split(BATCH)
    training = replace(training, model=model, batches=[rows_of(train, part) for part in order])
    training.held_out = [people("validation", 4, 64)]
    return training


def held_out_errors(toy_training: Callable[..., Any], config: MethodConfig, seed: int) -> Tensor:
    """[2] float64 MPJPE in mm on new people after training: with every sensor, and without one of them.

    The second is the mean over the sensors. The learning rate drops where the paper's does.
    """
    training = problem(toy_training, config, seed).fit(share_of(30, EPOCHS))
    for group in training.optimizer.param_groups:
        group["lr"] = 0.1 * LR
    model, test = training.fit(EPOCHS).model, people("test", 6, 240)
    masks = torch.cat([torch.ones(1, MODALITIES), 1 - torch.eye(MODALITIES)]).bool()
    with torch.no_grad(), evaluating(model):
        poses = model.fuse_coalitions(model.encode(test), masks, test.present)
    errors = 1000 * mpjpe(poses, test.pose).double().mean(dim=1)
    return torch.stack([errors[0], errors[1:].mean()])


class Recorder:
    """In the place of an optimiser: adds up the encoders' gradients over the moves of one step."""

    def __init__(self, model: Any) -> None:
        self.model, self.encoders = model, encoder_parameters(model)
        self.total = torch.zeros(sum(p.numel() for p in self.encoders))

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None

    def step(self) -> None:
        self.total += torch.cat([(0 * p if p.grad is None else p.grad).flatten() for p in self.encoders])


def encoder_parameters(model: Any) -> list[Any]:
    """All encoders' parameters in one list."""
    return [p for group in model.encoder_parameters().values() for p in group.values()]


def method_gradient(training: Any, method: Method, run: Run, index: int, batch: Batch) -> Tensor:
    """[P] the encoders' gradient of one step of the method, which changes neither model nor method."""
    model = training.model
    before, recorder = copy.deepcopy(model.state_dict()), Recorder(model)
    context = StepContext(
        run=run,
        wrapped=training.wrapped,
        optimizer=recorder,  # type: ignore[arg-type]
        batch=batch,
        index=index,
        rng=torch_rng(training.seed, "method", run.epoch, index),
    )
    take_step(copy.deepcopy(method), context)
    model.load_state_dict(before)
    return recorder.total


def task_gradient(model: Any, batch: Batch) -> Tensor:
    """[P] the encoders' gradient in plain training."""
    loss = mpjpe(model(batch).pose, batch.pose).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, encoder_parameters(model))]).detach()
