"""A new method is one class and one registry line: the whole suite runs on it and finds its faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from contract_checks import Toys, checks_of
from contract_subjects import Subject, configured, registered, subjects

from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.gradients import scale_gradients
from equipose.balancing.registry import METHODS
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.search_spaces import searched


class Dummy(Method):
    """Lengthens the encoders' gradients epoch by epoch; has no fault."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        strength: float = searched(2.0, low=1.5, high=8.0)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.epochs_seen = 0

    def on_epoch_start(self, run: Run) -> None:
        self.epochs_seen += 1

    def shape_gradients(self, step: Step) -> None:
        # Adam hardly notices a constant factor, but it does notice one that changes.
        for group in step.groups.values():
            scale_gradients(group.values(), self.config.strength**self.epochs_seen)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs_seen": self.epochs_seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs_seen = state["epochs_seen"]


class Idle(Dummy):
    """Forgets to act."""

    def shape_gradients(self, step: Step) -> None:
        pass


class Forgetful(Dummy):
    """Keeps its counter out of the checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Noisy(Dummy):
    """Each rank draws noise of its own, from the global generator."""

    def shape_gradients(self, step: Step) -> None:
        for group in step.groups.values():
            for parameter in group.values():
                assert parameter.grad is not None
                parameter.grad += 0.1 * torch.randn_like(parameter.grad)


class Local(Dummy):
    """Divides by its own rank's loss, and the mean of such quotients is not the quotient of the means."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        return losses | {POSE: losses[POSE] / losses[POSE].detach()}


class Restless(Dummy):
    """Reads a window of 0 as "no limit", so it cannot be switched off."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        def __post_init__(self) -> None:
            super().__post_init__()
            if self.window == 0:
                object.__setattr__(self, "window", None)


class Unchecked(Dummy):
    """Skips the base class's check of the window."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        def __post_init__(self) -> None:
            pass


class Evaluating(Dummy):
    """Looks at the training data and leaves the model in evaluation mode."""

    def on_epoch_start(self, run: Run) -> None:
        super().on_epoch_start(run)
        run.model.eval()


class Drawing(Dummy):
    """Shuffles an epoch with the global generator."""

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        order = torch.randperm(len(plan.indices))
        return EpochPlan(indices=plan.indices[order], present=plan.present[order])


class Repeating(Dummy):
    """Runs the encoders again in training mode, which changes running statistics."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        step.run.model.encode(step.batch)
        return losses


class Editing(Dummy):
    """Writes into the dict that it is given."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        losses[POSE] = 2 * losses[POSE]
        return losses


class Greedy(Dummy):
    """Rescales every loss."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        return {name: 2 * loss for name, loss in losses.items()}


class OnlyThree(Dummy):
    """Knows three modalities by name."""

    def shape_gradients(self, step: Step) -> None:
        for name, factor in {"rgb": 1.0, "lidar": 2.0, "mmwave": 4.0}.items():
            scale_gradients(step.groups[name].values(), factor**self.epochs_seen)


class Untuned(Dummy):
    """Declares no field for tuning."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        strength: float = 2.0


class Misplaced(Dummy):
    """Its default lies outside the range that tuning searches."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        strength: float = searched(2.0, low=3.0, high=8.0)


class Unscheduled(Dummy):
    """Does not say whether `every` counts epochs."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        every: int = 10


class Redefining(Dummy):
    """Gives the window another default, without saying again that it counts epochs."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Dummy.Config):
        window: int | None = 20


FAULTS: dict[type[Method], str] = {
    Idle: "acts",
    Forgetful: "resumes exactly",
    Noisy: "ranks agree and equal one rank",
    Local: "ranks agree and equal one rank",
    Restless: "is plain when switched off",
    Unchecked: "rejects bad windows",
    Evaluating: "leaves no trace of extra passes",
    Drawing: "leaves no trace of extra passes",
    Repeating: "leaves modes and statistics alone",
    Editing: "edits no losses but its own",
    Greedy: "edits no losses but its own",
    OnlyThree: "takes two modalities",
    Untuned: "declares its search space",
    Misplaced: "declares its search space",
    Unscheduled: "declares its schedules",
    Redefining: "declares its schedules",
}


@pytest.fixture
def toys(toy_training: Callable, thread_ranks: Callable) -> Toys:
    return Toys(toy_training, thread_ranks)


def subject_of(method: type[Method], monkeypatch: pytest.MonkeyPatch) -> Subject:
    """The suite's subject once the method is registered."""
    monkeypatch.setitem(METHODS, "dummy", method)
    (found,) = (subject for subject in subjects() if subject.name == "dummy")
    return found


def test_it_is_also_paired(monkeypatch: pytest.MonkeyPatch, toys: Toys) -> None:
    subject_of(Dummy, monkeypatch)
    pair = next(subject for subject in subjects() if subject.name == "pair with dummy")
    assert len(checks_of(pair)) == 2
    for check in checks_of(pair).values():
        check(pair, toys)


def test_the_registry_line_brings_the_whole_suite(monkeypatch: pytest.MonkeyPatch, toys: Toys) -> None:
    before = [subject.name for subject in registered()]
    dummy = subject_of(Dummy, monkeypatch)
    assert [subject.name for subject in registered()] == [*before, "dummy"]
    assert isinstance(dummy.build(), Dummy)
    suite = checks_of(dummy)
    assert suite == checks_of(configured("awc", METHODS["awc"].Config()))
    for check in suite.values():
        check(dummy, toys)


@pytest.mark.parametrize(
    ("method", "check"), FAULTS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_the_suite_sees_what_is_wrong(
    method: type[Method], check: str, monkeypatch: pytest.MonkeyPatch, toys: Toys
) -> None:
    dummy = subject_of(method, monkeypatch)
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        checks_of(dummy)[check](dummy, toys)


def test_every_check_can_fail() -> None:
    dummy = configured("dummy", MethodConfig())
    assert set(checks_of(dummy)) - {"takes four modalities"} == set(FAULTS.values())
