"""Every dial turns real fields of a real method, and every position of it is a valid setting."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import METHODS, build_method
from equipose.balancing.search_spaces import DIALS, at_dial, turned

ENTRIES = [(name, field) for name, dial in DIALS.items() for field in dial]


def test_a_dial_is_logarithmic() -> None:
    assert at_dial(1.0, 100.0, 0.0) == 1.0
    assert at_dial(1.0, 100.0, 0.5) == pytest.approx(10.0)
    assert at_dial(1.0, 100.0, 1.0) == pytest.approx(100.0)
    assert at_dial(8.0, 2.0, 0.5) == pytest.approx(4.0)


@pytest.mark.parametrize(("name", "field"), ENTRIES)
def test_entries_name_methods_and_fields(name: str, field: str) -> None:
    assert name in METHODS
    default = {f.name: getattr(METHODS[name].Config(), f.name) for f in fields(METHODS[name].Config)}
    low, high = DIALS[name][field]
    assert low > 0
    assert high > 0
    assert isinstance(default[field], float), "a float turned on a float's scale"
    assert min(low, high) <= default[field] <= max(low, high), "the default lies on its own dial"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("position", [0.0, 0.5, 1.0])
def test_every_position_builds_the_method(name: str, position: float) -> None:
    default = METHODS[name].Config()
    config = turned(default, position)
    build_method(config)
    changed = {f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)}
    assert changed <= set(DIALS.get(name, {}))
    for field, (low, high) in DIALS.get(name, {}).items():
        expected = math.exp((1 - position) * math.log(low) + position * math.log(high))
        assert getattr(config, field) == pytest.approx(expected)


def test_without_a_dial_nothing_changes() -> None:
    assert turned(Plain.Config(), 0.3) == Plain.Config()


def test_the_paper_ratio_of_alphas_is_kept() -> None:
    for position in (0.0, 0.3, 1.0):
        config = turned(METHODS["awc"].Config(), position)
        assert config.alpha_s / config.alpha_i == pytest.approx(2.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("position", [-0.1, 1.1, float("nan")])
def test_positions_lie_between_the_ends(position: float) -> None:
    with pytest.raises(ValueError, match=r"position of a dial must lie in \[0, 1\]"):
        turned(Plain.Config(), position)
