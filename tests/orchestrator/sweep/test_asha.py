"""ASHA stops what the search proposed, and never a reference that others are compared with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from equipose.models.build import ModelConfig
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.asha import ProposalsOnlyASHA
from equipose.orchestrator.sweep.config import OBJECTIVE, SearchSpace, SweepConfig
from equipose.orchestrator.sweep.trial import NUMBER
from equipose.orchestrator.training.config import DataConfig, TrainConfig

CONFIG = SweepConfig(
    name="asha",
    base=TrainConfig(data=DataConfig(store="none"), model=ModelConfig(preset="tiny"), epochs=8),
    paper_window=3,
    space=SearchSpace(window=(0, 6)),
    grace_epochs=1,
    resources=Resources(),
)
REFERENCE = CONFIG.enqueued()[3]
PROPOSAL = {**REFERENCE, "window": 2}


def decisions(points: list[dict[str, Any]], values: list[float], epoch: int) -> list[str]:
    """The scheduler's decisions on trials that report one after another."""
    scheduler = ProposalsOnlyASHA(CONFIG)
    said = []
    for number, (point, value) in enumerate(zip(points, values, strict=True)):
        trial = SimpleNamespace(trial_id=str(number), config={**point, NUMBER: number})
        scheduler.on_trial_add(None, trial)
        said.append(scheduler.on_trial_result(None, trial, {"epoch": epoch, OBJECTIVE: value}))
    return said


def good(count: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Proposals that are better than those that follow."""
    return [{**PROPOSAL, "strength": 0.1 + i} for i in range(count)], [10.0 + i for i in range(count)]


def test_a_hopeless_proposal_is_stopped_and_a_hopeless_reference_is_not() -> None:
    points, values = good(3)
    said = decisions([*points, PROPOSAL, REFERENCE], [*values, 99.0, 99.0], epoch=1)
    assert said[-2:] == ["STOP", "CONTINUE"]


def test_the_last_epoch_passes() -> None:
    points, values = good(3)
    assert decisions([*points, PROPOSAL], [*values, 99.0], epoch=7)[-1] == "STOP"
    assert decisions([*points, PROPOSAL], [*values, 99.0], epoch=8)[-1] == "CONTINUE"
