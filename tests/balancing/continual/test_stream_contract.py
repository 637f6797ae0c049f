"""What every continual method must satisfy in a stream of tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_stream import ToyStream, error

from equipose.balancing.continual.distilled.lwf import LwF
from equipose.balancing.continual.memory.agem import AGEM
from equipose.balancing.continual.memory.derpp import DERpp
from equipose.balancing.continual.memory.gdumb import GDumb
from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.continual.penalties.ewc_adaptive import AdaptiveEWC
from equipose.balancing.continual.penalties.ewc_online import OnlineEWC
from equipose.balancing.continual.penalties.l2 import L2
from equipose.balancing.continual.penalties.mas import MAS
from equipose.balancing.continual.penalties.si import SI
from equipose.balancing.continual.penalties.weight_averaging import WeightAveraging
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.registry import CONTINUAL, build_method, method_name
from equipose.balancing.run import Hidden
from equipose.balancing.search_spaces import search_space

SUBJECTS: dict[str, MethodConfig] = {
    "l2": L2.Config(strength=0.1),
    "ewc": EWC.Config(strength=10.0),
    "ewc, batch gradients in mm": EWC.Config(
        strength=1.0, loss_unit="mm", fisher="per_batch", fisher_fraction=0.5
    ),
    "ewc_online": OnlineEWC.Config(strength=10.0, gamma=0.9),
    "ewc_adaptive": AdaptiveEWC.Config(strength=100.0, delta=0.0),
    "ewc_adaptive, share": AdaptiveEWC.Config(strength=10.0, per_sensor="share", control=False),
    "ewc_adaptive, inverse": AdaptiveEWC.Config(strength=10.0, per_sensor="inverse", fraction=0.7),
    "ewc_adaptive, drift": AdaptiveEWC.Config(strength=10.0, per_sensor="drift", online=True),
    "si": SI.Config(strength=0.1),
    "mas": MAS.Config(strength=0.03, rows=10),
    "weight_averaging": WeightAveraging.Config(),
    "lwf": LwF.Config(strength=100.0),
    "lwf, plain": LwF.Config(gated=False, strength=1.0),
    "replay": Replay.Config(rows=10, beta=0.7),
    "derpp": DERpp.Config(rows=10),
    "agem": AGEM.Config(rows=10, reference=6),
    "gdumb": GDumb.Config(rows=10),
}
"""Strengths suit the toy, whose gradients are larger than a pose model's."""

OFF: dict[str, dict[str, Any]] = {
    "weight_averaging": {"share": 0.0},
    "replay": {"beta": 0.0},
    "derpp": {"alpha": 0.0, "beta": 0.0},
    "agem": {"reference": 0},
}
"""What switches a method off; for the others it is a strength of 0."""
NO_OFF = {"gdumb": "it is a way to train, not a term"}
NO_DIAL = {"agem": "it has no weight", "gdumb": "it has no weight"}
NOISY: dict[str, Any] = {"norm": "batch", "dropout": 0.3}
LEARNS = 5
"""Epochs after which a method's second task shows."""

every = pytest.mark.parametrize("name", SUBJECTS)
ELSEWHERE = {"nis": "it separates readings, and needs a stream with some: tests/balancing/continual/noise"}
NAMES = [name for name in CONTINUAL if name not in ELSEWHERE]
registered = pytest.mark.parametrize("name", NAMES)


@cache
def plain_weights(toy_training: Callable[..., Any], tasks: int, epochs: int, *, noisy: bool = True) -> Tensor:
    """Weights after plain training."""
    return ToyStream(toy_training, None, NOISY if noisy else {}).run(tasks, epochs).weights()


def test_every_method_is_covered() -> None:
    assert {method_name(config) for config in SUBJECTS.values()} == set(NAMES)
    assert {name for name in NAMES if not search_space(CONTINUAL[name].Config)} == set(NO_DIAL)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in NO_OFF])
def test_the_first_task_is_plain_training(name: str, toy_training: Callable[..., Any]) -> None:
    first = ToyStream(toy_training, SUBJECTS[name], NOISY).training(0).fit(3)
    assert torch.equal(plain_weights(toy_training, 1, 3), first.weights())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_OFF])
def test_switched_off_it_is_plain_in_every_task(name: str, toy_training: Callable[..., Any]) -> None:
    off = replace(CONTINUAL[name].Config(), **OFF.get(name, {"strength": 0.0}))
    weights = ToyStream(toy_training, off, NOISY).run(3, 2).weights()
    assert torch.equal(weights, plain_weights(toy_training, 3, 2))


@every
def test_later_tasks_are_not_plain(name: str, toy_training: Callable[..., Any]) -> None:
    other = ToyStream(toy_training, SUBJECTS[name]).run(2, LEARNS).weights()
    assert torch.isfinite(other).all()
    assert (plain_weights(toy_training, 2, LEARNS, noisy=False) - other).abs().max() > 1e-4


@every
def test_resumed_within_the_second_task_it_ends_the_same(name: str, toy_training: Callable[..., Any]) -> None:
    whole = ToyStream(toy_training, SUBJECTS[name], NOISY)
    whole.run(1, 3)
    training = whole.training(1).fit(1)
    resumed = whole.training(1).load(training.state()).fit(3)
    training.fit(3)
    assert torch.equal(training.weights(), resumed.weights())
    for each in (training, resumed):
        each.method.on_task_end(each.view())
    torch.testing.assert_close(resumed.method.state_dict(), training.method.state_dict(), rtol=0, atol=0)


@every
def test_ranks_agree_and_equal_one_rank(
    name: str, toy_training: Callable[..., Any], thread_ranks: Callable[..., Any]
) -> None:
    options = {"norm": "layer", "dtype": torch.float64}
    alone = ToyStream(toy_training, SUBJECTS[name], options).run(3, 2)
    ranks = thread_ranks(2)
    shared = [{**options, "rank": rank, "world_size": 2, "mean": ranks.mean(rank)} for rank in range(2)]
    pair = [ToyStream(toy_training, SUBJECTS[name], own).prepare(3) for own in shared]
    first, second = ranks.run(lambda rank: pair[rank].run(3, 2))
    assert torch.equal(first.weights(), second.weights())
    torch.testing.assert_close(first.weights(), alone.weights(), rtol=0, atol=1e-10)
    torch.testing.assert_close(pair[0].state, pair[1].state, rtol=0, atol=0)


@pytest.mark.parametrize("name", [n for n in SUBJECTS if CONTINUAL[n.split(",")[0]].joins_late])
def test_joins_late_after_a_plain_first_task(name: str, toy_training: Callable[..., Any]) -> None:
    """Shown the end of a plainly trained task, a fresh method has the state of one that was there."""
    first = ToyStream(toy_training, SUBJECTS[name], NOISY).run(1, 2)
    plain = ToyStream(toy_training, None, NOISY).run(1, 2)
    late = build_method(SUBJECTS[name])
    late.on_task_end(plain.view())
    torch.testing.assert_close(first.method.state_dict(), late.state_dict(), rtol=0, atol=0)


def test_those_that_must_see_the_first_task_say_so(toy_training: Callable[..., Any]) -> None:
    """The path of `si` runs through every step, and `gdumb` trains on its memory from the start."""
    assert {name for name in NAMES if not CONTINUAL[name].joins_late} == {"si", "gdumb"}


@every
def test_a_tasks_end_leaves_modes_statistics_and_randomness(
    name: str, toy_training: Callable[..., Any]
) -> None:
    training = ToyStream(toy_training, SUBJECTS[name], NOISY).run(1, 2)
    training.model.train()
    training.model.encoders["lidar"].eval()
    flags = [module.training for module in training.model.modules()]
    before = training.weights()
    gradients = [None if p.grad is None else p.grad.clone() for p in training.model.parameters()]
    if name == "weight_averaging":
        training.method.start = {}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    training.method.on_task_end(training.view())
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(training.weights(), before)
    assert [module.training for module in training.model.modules()] == flags
    for parameter, gradient in zip(training.model.parameters(), gradients, strict=True):
        assert parameter.requires_grad
        assert gradient is None or torch.equal(parameter.grad, gradient)


@every
def test_hidden_readings_are_used_by_nothing_that_is_kept(
    name: str, toy_training: Callable[..., Any]
) -> None:
    """What a method keeps does not change when a hidden reading does."""
    states = []
    for garbage in (0.0, 5.0):
        stream = ToyStream(toy_training, SUBJECTS[name])
        training = stream.training(0)
        batches = training.batches
        rows = torch.cat([batch.index for batch in batches])[::3].contiguous()
        readings = torch.tensor([[True, False, False]]).expand(len(rows), -1)
        hidden = Hidden(rows=rows, readings=readings)
        shown = []
        for batch in batches:
            visible = hidden.visible(batch.index)
            rgb = batch.inputs["rgb"].where(visible[:, :1], garbage)
            shown.append(replace(batch, inputs={**batch.inputs, "rgb": rgb}, present=batch.present & visible))
        training.batches = shown
        training.fit(1)
        training.method.on_task_end(training.view())
        states.append(training.method.state_dict())
    torch.testing.assert_close(*states, rtol=1e-5, atol=1e-7)


REMEMBERS = 0.9
"""Error on the first task after the second, at most this share of plain training's."""
QUICK = {"lr": 0.03}


@cache
def plain_errors(toy_training: Callable[..., Any]) -> tuple[float, float]:
    """Error on the first task, m, before and after the second, with plain training."""
    stream = ToyStream(toy_training, None, QUICK)
    first = stream.run(1, 25)
    learned = error(first, first.batches)
    second = stream.training(1).fit(25)
    return learned, error(second, second.earlier)


@every
def test_it_forgets_less_than_plain_training(name: str, toy_training: Callable[..., Any]) -> None:
    training = ToyStream(toy_training, SUBJECTS[name], QUICK).run(2, 25)
    assert error(training, training.earlier) < REMEMBERS * plain_errors(toy_training)[1]


def test_a_method_that_does_nothing_does_forget(toy_training: Callable[..., Any]) -> None:
    learned, later = plain_errors(toy_training)
    assert later > 2 * learned


@every
def test_plans_stay_within_the_task_and_the_memory(name: str, toy_training: Callable[..., Any]) -> None:
    """The toy's loop refuses other rows, as the real one does; a memory is of earlier tasks only."""
    stream = ToyStream(toy_training, SUBJECTS[name])
    stream.run(2, 1)
    training = stream.training(2)
    memory = training.method.memory
    view = training.view()
    plan = training.method.plan_epoch(training.plan(), view)
    allowed = view.training_rows if memory is None else torch.cat([view.training_rows, memory])
    assert torch.isin(plan.indices, allowed).all()
    assert len(plan.indices) // (plan.batch_size or view.batch_size) == len(training.batches)
    if memory is not None:
        assert not torch.isin(memory, view.training_rows).any()
        assert len(memory) <= 10


def test_plain_is_the_default_of_the_hooks() -> None:
    assert not Method.from_scratch
    assert [name for name, method in CONTINUAL.items() if method.from_scratch] == ["gdumb"]


@registered
def test_windows_of_no_epochs_are_plain_training(name: str, toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, replace(CONTINUAL[name].Config(), window=0), NOISY)
    stream.run(1, 2)
    assert torch.equal(stream.training(1).fit(2).weights(), plain_weights(toy_training, 2, 2))
