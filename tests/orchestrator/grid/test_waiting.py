"""Runs that start at another's end wait for it, and only they."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.grid.waiting import WaitingRuns
from equipose.orchestrator.training.config import DataConfig, TrainConfig

FIRST = RunSpec(name="first", config=TrainConfig(data=DataConfig(store="s")))
SECOND = replace(FIRST, name="second", init_from=FIRST)
THIRD = replace(FIRST, name="third", init_from=SECOND)
OTHER = replace(FIRST, name="other", config=replace(FIRST.config, seed=1))


def key(spec: RunSpec) -> str:
    return spec.key("data", key(spec.init_from) if spec.init_from else None)


def names(waiting: WaitingRuns) -> list[str]:
    found = []
    while spec := waiting.take():
        found.append(spec.name)
    return found


def test_a_run_is_handed_out_once_the_one_before_it_has_ended() -> None:
    waiting = WaitingRuns([THIRD, SECOND, FIRST, OTHER], key, lambda spec: False)
    assert names(waiting) == ["first", "other"]
    waiting.end(OTHER, failed=False)
    assert names(waiting) == []
    waiting.end(FIRST, failed=False)
    assert names(waiting) == ["second"]
    assert waiting
    waiting.end(SECOND, failed=False)
    assert names(waiting) == ["third"]
    assert not waiting


def test_a_failed_run_takes_with_it_only_those_that_follow_it() -> None:
    waiting = WaitingRuns([FIRST, SECOND, THIRD, OTHER], key, lambda spec: False)
    assert waiting.take() == FIRST
    waiting.end(FIRST, failed=True)
    assert names(waiting) == ["other"]
    assert not waiting


def test_a_run_may_follow_one_that_has_ended_before() -> None:
    waiting = WaitingRuns([SECOND], key, lambda spec: spec == FIRST)
    assert names(waiting) == ["second"]


def test_a_run_that_would_wait_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="'second' starts at the end of 'first', which is not among"):
        WaitingRuns([SECOND], key, lambda spec: False)


def test_keys_depend_on_the_run_before_and_its_checkpoint() -> None:
    assert key(SECOND) != key(FIRST)
    assert key(THIRD) != key(SECOND)
    assert key(replace(SECOND, init_from=OTHER)) != key(SECOND)
    assert key(replace(SECOND, init_from=replace(FIRST, select="last"))) != key(SECOND)
    assert key(replace(SECOND, init_from=replace(FIRST, name="renamed"))) == key(SECOND)
