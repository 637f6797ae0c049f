"""The training of a run beside its logger's thread."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.tracking.runs import Tracked
from equipose.orchestrator.training import logged_run
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig

METRICS = "equipose.models.metrics"


class Logger:
    """Notes what was imported when it was made, and does nothing else."""

    prepared: bool | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        Logger.prepared = METRICS in sys.modules

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def test_what_validation_imports_is_there_before_the_loggers_thread_imports_mlflow(
    small_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = build_training(small_run)
    training.epoch = training.epochs
    monkeypatch.setattr(logged_run, "RunLogger", Logger)
    monkeypatch.delitem(sys.modules, METRICS, raising=False)
    tracked = Tracked(uri="http://127.0.0.1:1", run_id="r", outbox=str(tmp_path / "outbox"))
    logged_run.run_epochs(training, small_run, tracked, lambda result: None)
    assert Logger.prepared
