"""What a rebuild will take: kept runs cost nothing, the others what a few measured steps say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_tables import made_result, small_paper

from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.paper import estimate as paper_estimate
from equipose.orchestrator.paper.estimate import (
    START_SECONDS,
    Estimate,
    estimate,
    plan_lines,
    probe,
    shown_hours,
)
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData

PACE = 0.01
"""Made-up seconds per row and epoch."""


@pytest.fixture
def config(store_path: Path) -> PaperConfig:
    paper = small_paper(store_path, seeds=(0,), tables=("alpha", "profit"))
    return replace(paper, base=replace(paper.base, epochs=10))


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """What was measured; every kind takes the same time."""
    seen: list[TrainConfig] = []

    def measure(run: TrainConfig, data: RunData) -> float:
        seen.append(run)
        return PACE

    monkeypatch.setattr(paper_estimate, "probe", measure)
    return seen


def keep(config: PaperConfig, folder: Path, count: int) -> list[str]:
    """Write the results of the first runs, as if they had finished."""
    runs_folder = RunsFolder(root=folder, resources=Resources())
    specs = config.runs()[:count]
    for spec in specs:
        (runs_folder.folder(spec) / spec.evaluation).mkdir(parents=True)
        made_result(spec, runs_folder).save()
    return [spec.name for spec in specs]


def test_nothing_is_there_at_first(config: PaperConfig, probed: list[TrainConfig], tmp_path: Path) -> None:
    found = estimate(config, tmp_path)
    rows = len(RunData.open(config.base.data).rows["train"])
    assert not found.kept
    assert set(found.seconds) == {spec.name for spec in found.specs}
    assert len(found.specs) == 9
    assert set(found.seconds.values()) == {START_SECONDS + 10 * rows * PACE}
    assert len(probed) == 2, "plain and AWC, once each"
    assert found.hours == sum(found.seconds.values()) / found.concurrency / 3600


def test_kept_cells_cost_nothing(config: PaperConfig, probed: list[TrainConfig], tmp_path: Path) -> None:
    names = keep(config, tmp_path, 9)
    found = estimate(config, tmp_path)
    assert found.kept == set(names)
    assert (found.seconds, found.hours, probed) == ({}, 0.0, [])
    assert "9 runs in all (tables share some), 9 there, 0 to train" in plan_lines(config, found)[-1]


def test_times_of_ended_runs_are_better_than_probes(
    config: PaperConfig, probed: list[TrainConfig], tmp_path: Path
) -> None:
    keep(config, tmp_path, 3)  # plain, and AWC with two strengths
    found = estimate(config, tmp_path)
    assert probed == []
    assert set(found.seconds.values()) == {START_SECONDS + 10 * 4.0}, "4 s per epoch, as they took"
    assert len(found.seconds) == 6


def test_a_probe_measures_something(config: PaperConfig) -> None:
    assert probe(config.base, RunData.open(config.base.data)) > 0


def test_lines_of_a_plan(config: PaperConfig) -> None:
    specs = tuple(config.runs())
    kept = frozenset(spec.name for spec in specs[:2])
    seconds = {spec.name: 600.0 for spec in specs[2:]}
    lines = plan_lines(config, Estimate(specs=specs, kept=kept, seconds=seconds, concurrency=2))
    assert [line.split() for line in lines[:2]] == [
        ["alpha", "7", "runs,", "2", "there"],
        ["profit", "2", "runs,", "0", "there"],
    ]
    assert [line.endswith("(there)") for line in lines[2:-1]] == [True] * 2 + [False] * 7
    assert lines[-1].startswith(
        "9 runs in all (tables share some), 2 there, 7 to train, 2 at a time: about 35 minutes here"
    )


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0.0, "no time"), (0.005, "1 minute"), (0.5, "30 minutes"), (3.44, "3.4 hours"), (50.0, "2.1 days")],
)
def test_hours_in_words(hours: float, shown: str) -> None:
    assert shown_hours(hours) == shown
