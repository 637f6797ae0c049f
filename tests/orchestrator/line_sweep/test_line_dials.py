"""Numbers and choices in one space; a dial without effect is left out."""

from __future__ import annotations

import optuna
import pytest

from equipose.balancing.search_spaces import SearchRange
from equipose.orchestrator.line_sweep.dials import ChoiceDial, dial_of, own_point, suggest_dials

KIND = ChoiceDial(name="kind", options=("a", None), own="a")
SPACE = (KIND, dial_of("weight", SearchRange(0.1, 10.0), 1.0, ("kind", None)))


def test_the_own_setting_has_no_dial_without_effect() -> None:
    assert own_point(SPACE) == {"kind": "a", "weight": 1.0}
    assert own_point((ChoiceDial(name="kind", options=("a", None), own=None), SPACE[1])) == {"kind": None}


def test_a_search_tries_all_options_and_the_whole_range() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [suggest_dials(study.ask(), SPACE) for _ in range(40)]
    assert {point["kind"] for point in points} == {"a", None}
    assert all(("weight" in point) == (point["kind"] is not None) for point in points)
    weights = [point["weight"] for point in points if "weight" in point]
    assert 0.1 <= min(weights) < 0.5
    assert 2.0 < max(weights) <= 10.0


def test_a_queued_point_is_kept() -> None:
    study = optuna.create_study()
    study.enqueue_trial(own_point(SPACE))
    assert suggest_dials(study.ask(), SPACE) == {"kind": "a", "weight": 1.0}


@pytest.mark.parametrize(("now", "expected"), [(20.0, (0.1, 20.0, 20.0)), (0.0, (0.1, 10.0, 0.1))])
def test_a_number_outside_of_its_range(now: float, expected: tuple[float, ...]) -> None:
    dial = dial_of("weight", SearchRange(10.0, 0.1), now)
    assert (dial.low, dial.high, dial.own) == expected


def test_labels() -> None:
    assert KIND.label == "kind of a, none"
    assert SPACE[1].label == "weight 0.1 to 10"
    whole = dial_of("rows", SearchRange(10, 100, whole=True), 20.0)
    assert isinstance(whole.own, int)
