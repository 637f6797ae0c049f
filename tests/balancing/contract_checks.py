"""What every balancing method must satisfy, as plain functions that raise if one does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Any, get_args, get_type_hints

import pytest
import torch
from contract_subjects import NO_DIAL, Subject
from torch import Tensor

from equipose.balancing.method import Method, Step
from equipose.balancing.objectives.pose import pose_losses
from equipose.balancing.registry import build_method, method_name
from equipose.balancing.schedules import SCHEDULE
from equipose.balancing.search_spaces import at_position, search_space
from equipose.models.randomness import torch_rng


@dataclass(frozen=True)
class Toys:
    """The fixtures of the same names, see conftest."""

    training: Callable[..., Any]
    ranks: Callable[[int], Any]


Check = Callable[[Subject, Toys], None]
NOISY: dict[str, Any] = {"norm": "batch", "dropout": 0.3}


@cache
def plain_weights(toys: Toys, modalities: int = 3, *, noisy: bool = False) -> Tensor:
    """Weights after three epochs of plain training, the same for every method."""
    return toys.training(Method(), modalities, **(NOISY if noisy else {})).fit(3).weights()


def acts(subject: Subject, toys: Toys) -> None:
    """Training differs from plain training."""
    plain = plain_weights(toys)
    balanced = toys.training(subject.build()).fit(3).weights(heads=False)
    assert torch.isfinite(balanced).all()
    assert (plain - balanced).abs().max() > 1e-4


def takes_any_number_of_modalities(subject: Subject, toys: Toys, *, modalities: int) -> None:
    """The same with another number of modalities than the three of the other checks."""
    plain = plain_weights(toys, modalities)
    balanced = toys.training(subject.build(), modalities).fit(3).weights(heads=False)
    assert torch.isfinite(balanced).all()
    assert (subject.name == "plain") == torch.equal(plain, balanced)


def is_plain_when_switched_off(subject: Subject, toys: Toys) -> None:
    """With a window of 0 epochs it trains as `plain` bit for bit, needs nothing and logs nothing."""
    assert subject.config is not None
    off = build_method(replace(subject.config, window=0))
    assert not off.needs
    assert not off.owns_backward
    assert not off.replaces_step
    idle = toys.training(off, **NOISY).fit(3)
    assert torch.equal(plain_weights(toys, noisy=True), idle.weights())
    assert not idle.logged


def resumes_exactly(subject: Subject, toys: Toys) -> None:
    """Resumed after any epoch, the next one ends with the same weights and state bit for bit."""
    whole = toys.training(subject.build(), **NOISY)
    for stop in (1, 2, 3):
        saved = whole.fit(stop).state()
        resumed = toys.training(subject.build(), **NOISY).load(saved).fit(stop + 1)
        whole.fit(stop + 1)
        assert torch.equal(whole.weights(), resumed.weights())
        torch.testing.assert_close(whole.method.state_dict(), resumed.method.state_dict(), rtol=0, atol=0)
        torch.testing.assert_close(
            whole.optimizer.state_dict(), resumed.optimizer.state_dict(), rtol=0, atol=0
        )


def ranks_agree_and_equal_one_rank(subject: Subject, toys: Toys) -> None:
    """Two ranks hold the same weights bit for bit, and those of one rank to rounding."""
    options = {"norm": "layer", "dtype": torch.float64}
    alone = toys.training(subject.build(), **options).fit(3).weights()
    ranks = toys.ranks(2)
    pair = [
        toys.training(subject.build(), rank=rank, world_size=2, mean=ranks.mean(rank), **options)
        for rank in range(2)
    ]
    first, second = ranks.run(lambda rank: pair[rank].fit(3).weights())
    assert torch.equal(first, second)
    torch.testing.assert_close(first, alone, rtol=0, atol=1e-10)


def leaves_no_trace_of_extra_passes(subject: Subject, toys: Toys) -> None:
    """An epoch's start leaves weights, gradients, modes, hooks and the global generator unchanged."""
    training = toys.training(subject.build(), **NOISY)
    training.model.train()
    training.model.encoders["lidar"].eval()
    flags = [module.training for module in training.model.modules()]
    before = training.weights()
    run = training.view()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    training.method.plan_epoch(training.plan(), run)
    training.method.on_epoch_start(run)
    assert torch.equal(torch.rand(4), expected), "a hook drew from the global generator"
    assert torch.equal(training.weights(), before)
    assert [module.training for module in training.model.modules()] == flags
    assert all(parameter.grad is None for parameter in training.model.parameters())
    assert not any(module._forward_hooks for module in training.model.modules())


def leaves_modes_and_statistics_alone(subject: Subject, toys: Toys) -> None:
    """A step changes running statistics exactly as a plain one does, and no module's mode."""
    training = toys.training(subject.build(), **NOISY)
    plain = toys.training(Method(), **NOISY)
    training.model.encoders["rgb"].eval()
    plain.model.encoders["rgb"].eval()
    flags = [module.training for module in training.model.modules()]
    for each in (training, plain):
        run = each.view()
        each.method.plan_epoch(each.plan(), run)
        each.method.on_epoch_start(run)
        torch.manual_seed(0)
        each.step(run, 0, each.batches[0])
    assert [module.training for module in training.model.modules()] == flags
    for key, value in training.model.state_dict().items():
        if "running" in key or "tracked" in key:
            assert torch.equal(value, plain.model.state_dict()[key]), key


def edits_no_losses_but_its_own(subject: Subject, toys: Toys) -> None:
    """The given dict does not change, and losses that it does not know are returned unchanged."""
    training = toys.training(subject.build())
    run, batch = training.view(), training.batches[0]
    training.method.plan_epoch(training.plan(), run)
    training.method.on_epoch_start(run)
    outputs = training.model(batch)
    losses = {**pose_losses(outputs, batch), "of another method": torch.tensor(3.0)}
    given = dict(losses)
    step = Step(run=run, index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
    shaped = training.method.shape_losses(losses, step)
    assert all(losses[name] is given[name] for name in given)
    assert losses.keys() == given.keys()
    assert shaped["of another method"] is given["of another method"]


def rejects_bad_windows(subject: Subject, toys: Toys) -> None:
    """Its config runs the checks that all configs share."""
    assert subject.config is not None
    with pytest.raises(ValueError, match=r"method\.window.*-1"):
        replace(subject.config, window=-1)


def declares_its_search_space(subject: Subject, toys: Toys) -> None:
    """Tuning varies a field around its default, unless `NO_DIAL` says why not; every position is valid."""
    default = type(subject.config)()
    space = search_space(default)
    assert bool(space) == (method_name(default) not in NO_DIAL), "declare a field with `searched`"
    for name, scale in space.items():
        value = getattr(default, name)
        assert isinstance(value, float), f"{name} is no float, but its range gives floats"
        assert min(scale.low, scale.high) <= value <= max(scale.low, scale.high), name
    for position in (0.0, 0.5, 1.0):
        build_method(at_position(default, position))


def declares_its_schedules(subject: Subject, toys: Toys) -> None:
    """Every integer field says whether it counts epochs, a redefined `window` too."""
    config = type(subject.config)
    hints = get_type_hints(config)
    integers = {f for f in fields(config) if int in (hints[f.name], *get_args(hints[f.name]))}
    undeclared = [f.name for f in integers if SCHEDULE not in f.metadata]
    assert not undeclared, f"declare {undeclared} with `epoch_count` or `fixed_count`"


OF_PAIRS: dict[str, Check] = {
    "resumes exactly": resumes_exactly,
    "ranks agree and equal one rank": ranks_agree_and_equal_one_rank,
}
ALWAYS: dict[str, Check] = {
    **OF_PAIRS,
    "leaves no trace of extra passes": leaves_no_trace_of_extra_passes,
    "leaves modes and statistics alone": leaves_modes_and_statistics_alone,
    "edits no losses but its own": edits_no_losses_but_its_own,
}
WITH_CONFIG: dict[str, Check] = {
    "takes two modalities": partial(takes_any_number_of_modalities, modalities=2),
    "takes four modalities": partial(takes_any_number_of_modalities, modalities=4),
    "is plain when switched off": is_plain_when_switched_off,
    "rejects bad windows": rejects_bad_windows,
    "declares its search space": declares_its_search_space,
    "declares its schedules": declares_its_schedules,
}
UNLESS_PLAIN: dict[str, Check] = {"acts": acts}


def checks_of(subject: Subject) -> dict[str, Check]:
    """The suite for one subject, by name."""
    if subject.is_pair:
        return OF_PAIRS
    with_config = WITH_CONFIG if subject.config is not None else {}
    acting = UNLESS_PLAIN if subject.name != "plain" else {}
    return {**ALWAYS, **with_config, **acting}
