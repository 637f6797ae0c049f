from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, is_dataclass

import pytest

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import CONTINUAL, METHODS, build_method, method_class, method_name


@pytest.mark.parametrize("name", METHODS | CONTINUAL)
def test_round_trip(name: str) -> None:
    config = method_class(name).Config()
    assert is_dataclass(config)
    assert method_name(config) == name
    assert build_method(config) is not build_method(config)
    with pytest.raises(FrozenInstanceError):
        config.window = 3  # type: ignore[misc]


def test_configs_are_distinct() -> None:
    methods = [*METHODS.values(), *CONTINUAL.values()]
    assert len({method.Config for method in methods}) == len(methods)
    assert not set(METHODS) & set(CONTINUAL)


def test_unknown() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other(MethodConfig):
        pass

    known = sorted(METHODS | CONTINUAL)
    with pytest.raises(ValueError, match=re.escape(f"unknown method 'ogm'; known: {known}")):
        method_class("ogm")
    with pytest.raises(ValueError, match=r"Other belongs to no registered method"):
        build_method(Other())
    with pytest.raises(ValueError, match=r"AWC takes a AWC\.Config, got Plain\.Config"):
        AWC(Plain.Config())  # type: ignore[arg-type]


def test_paper_settings_are_the_defaults() -> None:
    config = AWC.Config()
    assert (config.alpha_s, config.alpha_i, config.window) == (20_000, 10_000, 20)
    assert (config.strength, config.ratio_s, config.ratio_i) == ("ratio", 0.3, 0.0)
