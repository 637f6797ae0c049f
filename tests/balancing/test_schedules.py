"""Schedules are declared, keep their share of a run of any length, and act in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
import torch
from contract_subjects import ACTING

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import METHODS, build_method
from equipose.balancing.schedules import PAPER_EPOCHS, epoch_count, fitted, fixed_count, schedule_fields


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    every: int = epoch_count(4)
    times: int = fixed_count(3)
    strength: float = 1.0


def test_only_declared_fields_count_epochs() -> None:
    assert schedule_fields(Config) == schedule_fields(Config(every=7)) == ("window", "every")


def test_a_declared_field_has_its_default() -> None:
    assert (Config().every, Config().times, Config().window) == (4, 3, None)


def test_a_field_declared_anew_must_say_so_again() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Careless(AWC.Config):
        window: int | None = 30

    assert schedule_fields(AWC.Config) == ("window", "free_epochs")
    assert schedule_fields(Careless) == ("free_epochs",)


@pytest.mark.parametrize(
    ("window", "epochs", "expected"),
    [(20, 50, 20), (20, 10, 4), (20, 2, 1), (1, 10, 1), (0, 10, 0), (None, 10, None), (20, 100, 40)],
)
def test_a_window_keeps_its_share(window: int | None, epochs: int, expected: int | None) -> None:
    assert fitted(AWC.Config(window=window), epochs).window == expected


@pytest.mark.parametrize("name", METHODS)
def test_the_paper_length_changes_nothing_and_short_runs_stay_valid(name: str) -> None:
    default = METHODS[name].Config()
    assert fitted(default, PAPER_EPOCHS) == default
    for epochs in (1, 2, 10):
        config = fitted(default, epochs)
        build_method(config)
        for field in fields(config):
            before, after = getattr(default, field.name), getattr(config, field.name)
            if field.name not in schedule_fields(config) or before is None:
                assert after == before
            else:
                assert after == (max(1, round(before * epochs / PAPER_EPOCHS)) if before else 0)


DECLARED = [
    (name, field)
    for name, method in METHODS.items()
    for field in schedule_fields(method.Config)
    if getattr(method.Config(), field)
]
"""(method, schedule) for every schedule with a default."""


@pytest.mark.parametrize("epochs", [2, 3, 8, 13])
@pytest.mark.parametrize(("name", "field"), DECLARED)
def test_every_schedule_acts_at_its_share(
    name: str, field: str, epochs: int, toy_training: Callable[..., Any]
) -> None:
    """Training departs from that under a schedule as long as the run in the epoch that the share says."""
    default = METHODS[name].Config()
    acting = replace(ACTING.get(name, default), **{field: getattr(default, field)})
    config = fitted(acting, epochs)
    due = getattr(config, field)
    assert due == 1 or abs(due / epochs - getattr(default, field) / PAPER_EPOCHS) <= 0.5 / epochs
    scheduled = toy_training(build_method(config))
    never = toy_training(build_method(replace(config, **{field: epochs})))
    differ = [
        not torch.equal(scheduled.fit(stop).weights(), never.fit(stop).weights())
        for stop in range(1, min(due + 1, epochs) + 1)
    ]
    assert differ.index(True) == due < epochs
