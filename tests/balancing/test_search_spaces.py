"""A position in the search space changes the declared fields and no others."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import METHODS
from equipose.balancing.search_spaces import SearchRange, at_position, search_space


def test_a_range_is_logarithmic() -> None:
    scale = SearchRange(1.0, 100.0)
    assert scale.at(0.0) == 1.0
    assert scale.at(0.5) == pytest.approx(10.0)
    assert scale.at(1.0) == pytest.approx(100.0)
    assert SearchRange(8.0, 2.0).at(0.5) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("low", "high", "named"), [(0.0, 1.0, "low"), (1.0, -2.0, "high"), (1.0, math.inf, "high")]
)
def test_a_range_has_positive_ends(low: float, high: float, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} must be finite and above 0"):
        SearchRange(low, high)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("position", [0.0, 0.5, 1.0])
def test_a_position_sets_the_searched_fields_alone(name: str, position: float) -> None:
    default = METHODS[name].Config()
    config, space = at_position(default, position), search_space(default)
    changed = {f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)}
    assert changed <= set(space)
    for field, scale in space.items():
        expected = math.exp((1 - position) * math.log(scale.low) + position * math.log(scale.high))
        assert getattr(config, field) == pytest.approx(expected)


def test_without_searched_fields_nothing_changes() -> None:
    assert search_space(Plain.Config) == {}
    assert at_position(Plain.Config(), 0.3) == Plain.Config()


def test_variants_inherit_the_space() -> None:
    assert search_space(METHODS["awc_adaptive"].Config) == search_space(METHODS["awc"].Config)


def test_the_paper_ratio_of_alphas_is_kept() -> None:
    for position in (0.0, 0.3, 1.0):
        config = at_position(METHODS["awc"].Config(strength="alpha"), position)
        assert config.alpha_s / config.alpha_i == pytest.approx(2.0)  # type: ignore[attr-defined]


def test_a_field_without_effect_is_not_varied() -> None:
    config = METHODS["awc"].Config
    assert set(search_space(config)) == {"ratio_s"}
    assert set(search_space(config(strength="alpha"))) == {"alpha_s", "alpha_i"}
    assert at_position(config(), 1.0).alpha_s == config().alpha_s  # type: ignore[attr-defined]


@pytest.mark.parametrize("position", [-0.1, 1.1, float("nan")])
def test_positions_lie_between_the_ends(position: float) -> None:
    with pytest.raises(ValueError, match=r"position in a search space must lie in \[0, 1\]"):
        at_position(Plain.Config(), position)
