"""Trials of a sweep of lines without Ray and MLflow: what they log and tell Tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.line_sweep import trial
from equipose.orchestrator.line_sweep.config import LineSweep
from equipose.orchestrator.sweep.trial import SweepLocation
from equipose.orchestrator.tracking.runs import Tracking


class Log:
    """Stands for the logger: what was logged, by name and step."""

    points: dict[tuple[str, int], float]

    def __init__(self, uri: str, run_id: str, folder: Path, **options: float) -> None:
        Log.points = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        Log.points |= {(name, step): value for name, value in metrics.items()}

    def close(self, timeout: float) -> None:
        """Nothing."""

    def finish(self, timeout: float) -> None:
        """Nothing."""


def reports(
    config: LineSweep, out: Path, monkeypatch: pytest.MonkeyPatch, point: dict[str, Any]
) -> list[tuple[int, float]]:
    """Run a trial; what it told Tune."""
    told: list[tuple[int, float]] = []
    monkeypatch.setattr(trial, "RunLogger", Log)
    monkeypatch.setattr(trial.tune, "report", lambda m: told.append((m["epoch"], m[config.objective])))
    tracking = Tracking(uri="http://none", experiment="e", parent_run="p", tags={}, outbox=str(out))
    folder = JobFolder(out=out, kind="sweeps", name=config.name)
    trial.run_line_trial(
        point,
        config=config,
        runs=RunsFolder(root=out / "cells", resources=Resources()),
        location=SweepLocation(folder=folder, tracking=tracking),
    )
    return told


def kept(out: Path) -> dict[Path, int]:
    """Result of every kept run -> its time of change (ns)."""
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
