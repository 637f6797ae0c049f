from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, is_dataclass

import pytest

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import (
    CONTINUAL,
    METHODS,
    build_method,
    method_class,
    method_label,
    method_name,
)
from equipose.balancing.schedules import fitted


@pytest.mark.parametrize("name", [*METHODS, *CONTINUAL])
def test_round_trip(name: str) -> None:
    config = method_class(name).Config()
    assert is_dataclass(config)
    assert method_name(config) == name
    assert build_method(config) is not build_method(config)
    with pytest.raises(FrozenInstanceError):
        config.window = 3  # type: ignore[misc]


def test_configs_are_distinct() -> None:
    known = [*METHODS.values(), *CONTINUAL.values()]
    assert len({method.Config for method in known}) == len(known) == len({**METHODS, **CONTINUAL})


def test_unknown() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other(MethodConfig):
        pass

    known = sorted([*METHODS, *CONTINUAL])
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


CHAINED = ChainConfig(parts=(NoiseSeparation.Config(), AWC.Config(window=3), EWC.Config()))


def test_a_chain_is_built_from_its_configs_in_their_order() -> None:
    method = build_method(CHAINED)
    assert list(method.state_dict()) == ["nis", "awc", "ewc"]
    assert method_name(CHAINED) == "chain"
    assert method_label(CHAINED) == "nis+awc+ewc"
    assert method_label(AWC.Config()) == "awc"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((EWC.Config(), AWC.Config()), r"wrong order: .* use \['awc', 'ewc'\]"),
        ((AWC.Config(), NoiseSeparation.Config()), r"wrong order: .* use \['nis', 'awc'\]"),
        ((EWC.Config(), EWC.Config()), "has one method twice"),
    ],
)
def test_chains_that_would_mix_up_their_measures_are_refused(
    parts: tuple[MethodConfig, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_method(ChainConfig(parts=parts))


def test_a_chain_has_two_methods_and_no_chains() -> None:
    with pytest.raises(ValueError, match="a chain has two or more"):
        ChainConfig(parts=(EWC.Config(),))
    with pytest.raises(ValueError, match="holds a chain"):
        ChainConfig(parts=(CHAINED, EWC.Config()))


def test_schedules_of_chained_methods_are_fitted() -> None:
    short = fitted(ChainConfig(parts=(AWC.Config(), EWC.Config())), 10)
    assert short.parts[0] == fitted(AWC.Config(), 10)
    assert short.parts[0] != AWC.Config()
