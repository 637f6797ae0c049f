"""What tuning varies must change what a run with Adam learns, by more than another seed would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from contract_subjects import NO_DIAL
from reference_problem import held_out_errors

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.mmpareto import MMPareto
from equipose.balancing.registry import METHODS
from equipose.balancing.search_spaces import at_position, search_space

SEEDS = range(3)
NEEDED = 2.0
"""Standard deviations over seeds."""


def effect(toy_training: Callable[..., Any], low: MethodConfig, high: MethodConfig) -> float:
    """How far two configs' held-out errors are apart, in standard deviations over seeds.

    The larger of two: the error with every sensor, and without one of them.
    """
    ends = [torch.stack([held_out_errors(toy_training, c, s) for s in SEEDS]) for c in (low, high)]
    spread = torch.stack([errors.var(dim=0) for errors in ends]).mean(dim=0).sqrt()
    return float(((ends[1].mean(dim=0) - ends[0].mean(dim=0)).abs() / spread).max())


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NO_DIAL])
def test_the_ends_of_the_search_space_differ(name: str, toy_training: Callable[..., Any]) -> None:
    config = METHODS[name].Config()
    found = effect(toy_training, at_position(config, 0.0), at_position(config, 1.0))
    assert found > NEEDED, f"the dial of {name} moves the error by {found:.2f} standard deviations"


def test_a_constant_factor_is_found_dead(toy_training: Callable[..., Any]) -> None:
    """Adam divides it out, so this must fail the check above."""
    config = MMPareto.Config()
    assert effect(toy_training, replace(config, gamma=0.75), replace(config, gamma=3.0)) < 0.1


def test_exemptions_are_of_methods_without_a_dial() -> None:
    assert set(NO_DIAL) == {name for name in METHODS if not search_space(METHODS[name].Config)}
