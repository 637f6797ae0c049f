from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.compose import chain, within
from equipose.balancing.losses import Losses, total_loss
from equipose.balancing.method import Method, Step, StepContext
from equipose.balancing.run import EpochPlan, Run


class Recorder(Method):
    """Records which hooks ran; scales the loss and the gradients by its factor."""

    needs = frozenset({"unimodal_heads"})

    def __init__(self, factor: float = 1.0, diary: list[str] | None = None, name: str = "") -> None:
        super().__init__()
        self.factor, self.name = factor, name
        self.diary = diary if diary is not None else []

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        self.diary.append(f"{self.name}plan")
        return EpochPlan(indices=plan.indices[1:], present=plan.present[1:])

    def on_epoch_start(self, run: Run) -> None:
        self.diary.append(f"{self.name}start")

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        self.diary.append(f"{self.name}losses")
        return {name: loss * self.factor for name, loss in losses.items()}

    def shape_gradients(self, step: Step) -> None:
        self.diary.append(f"{self.name}gradients")

    def on_task_end(self, run: Run) -> None:
        self.diary.append(f"{self.name}end")

    def state_dict(self) -> dict[str, Any]:
        return {"entries": len(self.diary)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.diary[:] = ["loaded"] * state["entries"]


class Owner(Recorder):
    """Owns the backward pass and doubles the gradients."""

    owns_backward = True
    needs = frozenset({"contributions"})

    def backward(self, losses: Losses, step: Step) -> None:
        self.diary.append(f"{self.name}backward")
        (2 * total_loss(losses)).backward()


def test_chain_visits_in_order(toy_training: Callable) -> None:
    diary: list[str] = []
    method = chain(a=Recorder(diary=diary, name="a-"), b=Owner(diary=diary, name="b-"))
    training = toy_training(method)
    training.batches = training.batches[:1]
    training.fit(1)
    method.on_task_end(training.view())
    expected = ["plan", "start", "losses", "backward", "gradients", "end"]
    assert diary == [f"{m}-{hook}" for hook in expected for m in "ab" if (m, hook) != ("a", "backward")]


def test_chain_passes_results_on(toy_training: Callable) -> None:
    plan = toy_training(Method()).plan()
    run = toy_training(Method()).view()
    assert len(chain(a=Recorder(), b=Recorder()).plan_epoch(plan, run).indices) == len(plan.indices) - 2
    once = toy_training(chain(a=Recorder(6.0), b=Recorder())).fit(1).weights()
    twice = toy_training(chain(a=Recorder(2.0), b=Recorder(3.0))).fit(1).weights()
    torch.testing.assert_close(once, twice)


def test_chain_joins_needs_and_ownership() -> None:
    both = chain(a=Recorder(), b=within(range(3), Owner()))
    assert both.needs == {"unimodal_heads", "contributions"}
    assert both.owns_backward
    assert not chain(a=Recorder(), b=Recorder()).owns_backward
    nested = chain(x=both, y=Recorder())
    assert nested.owns_backward


def test_chain_refuses() -> None:
    with pytest.raises(ValueError, match="no method"):
        chain()
    with pytest.raises(ValueError, match="empty name"):
        chain(**{"": Method()})
    with pytest.raises(ValueError, match=r"own the backward pass, got \['a', 'c'\]"):
        chain(a=Owner(), b=Recorder(), c=Owner())
    same = Recorder()
    with pytest.raises(ValueError, match="two names"):
        chain(a=same, b=same)


def test_chain_state() -> None:
    a, b = Recorder(diary=["x"]), Recorder(diary=["x", "y"])
    saved = chain(a=a, b=b).state_dict()
    assert saved == {"a": {"entries": 1}, "b": {"entries": 2}}
    fresh = Recorder(), Recorder()
    chain(a=fresh[0], b=fresh[1]).load_state_dict(saved)
    assert [len(method.diary) for method in fresh] == [1, 2]
    with pytest.raises(ValueError, match=r"\['a', 'b'\].*\['a', 'c'\]"):
        chain(a=Recorder(), c=Recorder()).load_state_dict(saved)


def test_plain_refuses_the_state_of_another_method() -> None:
    Method().load_state_dict({})
    with pytest.raises(ValueError, match="keeps no state"):
        Method().load_state_dict({"anchor": 1})


@pytest.mark.parametrize("window", [range(0), range(1), range(1, 3), range(0, 4, 2)])
def test_within_limits_every_hook(window: range, toy_training: Callable) -> None:
    owner = Owner(3.0)
    training = toy_training(within(window, owner))
    for epoch in range(4):
        before = len(owner.diary)
        training.run_epoch()
        assert (len(owner.diary) > before) == (epoch in window)


def test_within_equals_plain_outside_bit_for_bit(toy_training: Callable) -> None:
    options = {"norm": "batch", "dropout": 0.3}
    plain = toy_training(Method(), **options).fit(2).weights()
    # The owner runs its own backward pass only from epoch 2 on; before it the window does plain training.
    late = toy_training(within(range(2, 9), Owner(3.0)), **options).fit(2)
    assert late.method.owns_backward
    assert torch.equal(late.weights(), plain)
    assert not torch.equal(late.fit(3).weights(), toy_training(Method(), **options).fit(3).weights())


def test_empty_window_needs_nothing() -> None:
    off = within(range(0), Owner())
    assert not off.needs
    assert not off.owns_backward


def test_within_keeps_state() -> None:
    inner = Recorder(diary=["x"])
    other = Recorder()
    within(range(2), other).load_state_dict(within(range(5), inner).state_dict())
    assert len(other.diary) == 1


def test_owner_must_define_backward(toy_training: Callable) -> None:
    class Forgetful(Method):
        owns_backward = True

    with pytest.raises(NotImplementedError, match="Forgetful sets owns_backward"):
        toy_training(Forgetful()).fit(1)


def test_chain_refuses_two_claimants() -> None:
    class Decider(Method):
        claims = frozenset({"unimodal losses"})

    both = {"a": Decider(), "b": within(range(2), Decider())}
    with pytest.raises(ValueError, match=r"decide on the unimodal losses, got \['a', 'b'\]"):
        chain(**both)
    assert chain(a=Decider(), b=within(range(0), Decider())).claims == {"unimodal losses"}


def test_heads_are_probes_outside_a_window(toy_training: Callable) -> None:
    class Needy(Method):
        needs = frozenset({"unimodal_heads"})

    late = toy_training(within(range(1, 2), Needy()), norm="batch", dropout=0.3)
    heads = late.weights()[len(late.weights(heads=False)) :]
    plain = toy_training(Method(), norm="batch", dropout=0.3)
    assert torch.equal(late.fit(1).weights(heads=False), plain.fit(1).weights())
    assert not torch.equal(late.weights()[-len(heads) :], heads), "the probes did not learn"
    assert not torch.equal(late.fit(2).weights(heads=False), plain.fit(2).weights())


class Stepper(Method):
    """Replaces the step with one that changes nothing."""

    replaces_step = True

    def take_step(self, context: StepContext) -> Losses:
        return {}


def test_a_replaced_step_runs_in_its_window_only(toy_training: Callable) -> None:
    plan_only = Method()
    method = chain(a=plan_only, b=within(range(1, 2), Stepper()))
    assert method.replaces_step
    training = toy_training(method)
    plain = toy_training(Method())
    assert torch.equal(training.fit(1).weights(), plain.fit(1).weights())
    before = training.weights()
    assert torch.equal(training.fit(2).weights(), before)
    assert not torch.equal(training.fit(3).weights(), before)


def test_chain_refuses_hooks_that_a_replaced_step_would_leave_out() -> None:
    for other in (Stepper(), Recorder(), Owner(), chain(x=Method(), y=within(range(3), Recorder()))):
        with pytest.raises(ValueError, match=r"of \['a', 'c'\] one replaces the whole training step"):
            chain(a=Stepper(), b=Method(), c=other)
    kept = chain(a=within(range(0), Stepper()), b=Recorder(), c=within(range(0), Stepper()))
    assert not kept.replaces_step
    assert chain(a=Stepper(), b=within(range(0), Recorder())).replaces_step


def test_owner_must_define_its_step(toy_training: Callable) -> None:
    class Forgetful(Method):
        replaces_step = True

    with pytest.raises(NotImplementedError, match="Forgetful sets replaces_step"):
        toy_training(Forgetful()).fit(1)
