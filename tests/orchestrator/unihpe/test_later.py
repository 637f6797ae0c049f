"""What stages after the first have of their own reaches them, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.unihpe.later import LaterStages
from tests.orchestrator.aligned_runs import unihpe_config


def keys(runs: tuple[RunSpec, ...]) -> list[str]:
    return [run.key("data", str(number)) for number, run in enumerate(runs)]


def test_the_first_stage_is_left_alone() -> None:
    config = unihpe_config(Path("nowhere"))
    plain = config.variants[0]
    other = replace(plain, later=LaterStages(tau=1 / 10, lr_scale=2.0))
    before, after = config.runs(plain, 0), config.runs(other, 0)
    temperatures = [(r.config.objective.tau, r.config.objective.tau_low) for r in after]  # type: ignore[attr-defined]
    assert temperatures == [(1 / 14, 1 / 100), (1 / 10, 1 / 20), (1 / 10, 1 / 10)]
    assert [run.config.optimizer.lr for run in after] == [1e-3, 2e-3, 2e-3]
    assert keys(before)[0] == keys(after)[0]
    assert not set(keys(before)[1:]) & set(keys(after)[1:])


@pytest.mark.parametrize("field", ["tau", "lr_scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_unfit_values_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"later.{field} must be finite and above 0"):
        LaterStages(**{field: value})
