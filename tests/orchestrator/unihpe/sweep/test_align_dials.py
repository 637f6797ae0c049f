"""The dials of an alignment, and variants with them turned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipose.balancing.objectives.align import Align
from equipose.models.alignment import AlignmentLoss
from equipose.orchestrator.line_sweep.dials import ChoiceDial, Dial
from equipose.orchestrator.unihpe.later import LaterStages
from equipose.orchestrator.unihpe.stages import Variant
from equipose.orchestrator.unihpe.sweep.dials import changed, dials_of, turned, typed
from tests.orchestrator.aligned_runs import unihpe_config

NAMES = ("objective.higher", "objective.alpha", "model.width", "later.tau", "later.lr_scale")


@pytest.fixture
def variant() -> Variant:
    return unihpe_config(Path("nowhere")).variants[0]


def test_all_that_declares_a_search_is_a_dial(variant: Variant) -> None:
    found = {dial.name: dial for dial in dials_of(variant)}
    assert tuple(found) == NAMES
    assert [dial.own for dial in found.values()] == ["triplet", 1.0, 16, 0.2, 1.0]
    kinds, alpha = found["objective.higher"], found["objective.alpha"]
    assert isinstance(kinds, ChoiceDial)
    assert set(kinds.options) == {"triplet", "cosines", "gram", "pmrl", "symile", None}
    assert isinstance(alpha, Dial)
    assert (alpha.low, alpha.high, alpha.unless) == (0.1, 10.0, ("objective.higher", None))


def test_some_can_be_chosen(variant: Variant) -> None:
    assert [dial.name for dial in dials_of(variant, ("tau", "alpha"))] == ["objective.alpha", "later.tau"]
    assert dials_of(variant, ("alpha",))[0].unless is None
    pairs = replace(variant, objective=Align.Config(higher=None))
    assert [dial.name for dial in dials_of(pairs, ("tau", "alpha"))] == ["later.tau"]
    with pytest.raises(ValueError, match=r"dials \['beta'\] are unknown; use some of \['higher', 'alpha'"):
        dials_of(variant, ("beta",))


def test_turned_dials_change_nothing_else(variant: Variant) -> None:
    values = {"objective.higher": None, "model.width": 32, "later.tau": 0.123456}
    found = turned(variant, values)
    assert found == replace(
        variant,
        objective=replace(variant.objective, higher=None),  # type: ignore[type-var]
        model=replace(variant.model, width=32),
        later=LaterStages(tau=0.1235),
    )
    assert typed(changed(variant, values)) == [
        "objective.higher=none", "model.width=32", "later.tau=0.1235",
    ]  # fmt: skip


def test_the_own_setting_is_the_same_variant(variant: Variant) -> None:
    own = {dial.name: dial.own for dial in dials_of(variant)}
    assert turned(variant, own) == variant, "else its runs would have other keys"
    with pytest.raises(ValueError, match=r"no dials .*objective\.tau"):
        turned(variant, {"objective.tau": 0.1})


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"alpha": 0.1}, {"alpha": 10.0}),
        ({"tau": 1 / 20, "tau_low": 1 / 20}, {"tau": 1.0, "tau_low": 1.0}),
        ({"higher": None}, {"higher": "triplet"}),
        ({"higher": "triplet"}, {"higher": "cosines"}),
    ],
)
def test_the_ends_of_a_dial_pull_in_other_directions(low: dict[str, Any], high: dict[str, Any]) -> None:
    """Adam divides the length of a gradient out, so its direction must differ."""
    directions = []
    for settings in (low, high):
        generator = torch.Generator().manual_seed(0)
        rows = {name: torch.randn(8, 6, generator=generator).requires_grad_() for name in ("a", "b", "c")}
        config = Align.Config(**settings)
        losses = AlignmentLoss(config.loss(tuple(rows)))(rows, generator=generator)
        torch.stack(list(losses.values())).sum().backward()
        directions.append(torch.cat([value.grad.flatten() for value in rows.values()]))  # type: ignore[union-attr]
    assert torch.cosine_similarity(*directions, dim=0) < 0.99
