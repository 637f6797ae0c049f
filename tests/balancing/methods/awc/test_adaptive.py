from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from equipose.balancing.compose import within
from equipose.balancing.fisher.diagonal import fisher_trace
from equipose.balancing.methods.awc.adaptive import AdaptiveAWC, Settling, group_gap
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import build_method

Config = AdaptiveAWC.Config


def test_group_gap_by_hand() -> None:
    assert group_gap(torch.tensor([9.0, 1.0, 8.0, 0.0])) == 8.0
    assert group_gap(torch.tensor([2.0, 2.0])) == 0.0


def test_settling_by_hand() -> None:
    watch = Settling(tolerance=0.1, patience=2)
    # Changes: none yet, 50%, 5%, 20%, 9%, 10% of a negative number's size, then it stays.
    values = [1.0, 1.5, 1.575, 1.89, 2.06, 2.2, 99.0]
    assert [watch.settled(value) for value in values] == [False, False, False, False, False, True, True]


def test_settling_from_zero() -> None:
    watch = Settling(tolerance=0.5, patience=1)
    assert [watch.settled(value) for value in (0.0, 1.0, 0.0, 0.0)] == [False, False, False, True]


@pytest.mark.parametrize("contributions", ["validation", "batch"])
@pytest.mark.parametrize("watch", ["fisher", "gap"])
def test_window_ends_when_settled(watch: str, contributions: str, toy_training: Callable) -> None:
    """A tolerance that everything meets: with patience 1 the second number already ends the window."""
    known: dict[str, Any] = {"watch": watch, "contributions": contributions, **AWC.published}
    config = Config(tolerance=1e9, patience=1, **known)
    training = toy_training(AdaptiveAWC(config))
    # With batch contributions the first epoch has no gap to look at yet.
    open_epochs = 2 if (watch, contributions) == ("gap", "batch") else 1
    for epoch in range(4):
        training.run_epoch()
        assert ("awc" in training.losses) == (epoch < open_epochs)
        if epoch <= open_epochs:
            assert training.logged["method/window_open"] == float(epoch < open_epochs)


def test_before_the_end_it_is_awc_and_after_it_costs_nothing(
    toy_training: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"tolerance": 1e9, "patience": 2}
    adaptive = toy_training(AdaptiveAWC(Config(**settings))).fit(2)
    assert torch.equal(adaptive.weights(), toy_training(AWC()).fit(2).weights())
    adaptive.fit(3)
    ended = within(range(2), AWC())
    assert torch.equal(adaptive.weights(), toy_training(ended).fit(3).weights())

    def never(*_: object, **__: object) -> None:
        raise AssertionError("estimated Fisher information after the end")

    monkeypatch.setattr("equipose.balancing.methods.awc.awc.fisher_diagonal", never)
    adaptive.fit(4)


def test_it_watches_the_fisher_trace(toy_training: Callable) -> None:
    method = AdaptiveAWC(Config(tolerance=0.0))
    training = toy_training(method).fit(2)
    assert method.settling.last == fisher_trace(method.fisher)
    assert method.settling.last == pytest.approx(
        sum(training.logged[f"fisher/{m}"] for m in training.model.modalities)
    )


def test_window_is_the_latest_end(toy_training: Callable) -> None:
    method = build_method(Config(window=1, tolerance=0.0, **AWC.published))
    assert [method.acts_in(epoch) for epoch in range(3)] == [True, False, False]
    assert "awc" not in toy_training(method).fit(2).losses


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"watch": "loss"}, r"awc_adaptive\.watch must be one of .*fisher"),
        ({"tolerance": -0.1}, r"awc_adaptive\.tolerance"),
        ({"patience": 0}, r"awc_adaptive\.patience must be at least 1"),
        ({"fisher_schedule": "once"}, "watches a constant"),
        ({"alpha_s": -1.0}, r"awc\.alpha_s"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
    assert replace(Config(), watch="gap", fisher_schedule="once").patience == 3
