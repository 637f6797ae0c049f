"""ASHA stops what the search proposed, and never a reference that others are compared with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orchestrator.search import NUMBER
from orchestrator.sweep import ProposalsOnlyASHA
from orchestrator.sweep_config import OBJECTIVE

REFERENCE = {"alpha_s": 2e4, "ratio": 0.5, "window": 0, "fusion": "mlp"}


def decisions(points: list[dict[str, Any]], values: list[float]) -> list[str]:
    """What the scheduler says to trials that report one after another at the rung of epoch 1."""
    scheduler = ProposalsOnlyASHA(
        [REFERENCE],
        time_attr="epoch",
        metric=OBJECTIVE,
        mode="min",
        max_t=9,
        grace_period=1,
        reduction_factor=3,
    )
    said = []
    for number, (point, value) in enumerate(zip(points, values, strict=True)):
        trial = SimpleNamespace(trial_id=str(number), config={**point, NUMBER: number})
        scheduler.on_trial_add(None, trial)
        said.append(scheduler.on_trial_result(None, trial, {"epoch": 1, OBJECTIVE: value}))
    return said


def test_a_hopeless_proposal_is_stopped_and_a_hopeless_reference_is_not() -> None:
    proposal = {**REFERENCE, "window": 3}
    good = [({**proposal, "alpha_s": float(i)}, 10.0 + i) for i in range(1, 4)]
    said = decisions([p for p, _ in good] + [proposal, REFERENCE], [v for _, v in good] + [99.0, 99.0])
    assert said[-2:] == ["STOP", "CONTINUE"]
