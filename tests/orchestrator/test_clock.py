"""A clock that is set back changes neither the order of points nor a number."""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path

import pytest

from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.grid.launch import train_alone
from equipose.orchestrator.tracking.outbox import Outbox
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reading of the clock is an hour earlier than the last."""
    now = itertools.count(time.time(), -3600.0)
    monkeypatch.setattr(time, "time", lambda: next(now))


@pytest.mark.usefixtures("backwards")
def test_times_of_points_follow_their_order_over_attempts_too(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for attempt in range(2):
            logger = RunLogger(uri, "r1", tmp_path)
            for epoch in range(3 * attempt, 3 * attempt + 3):
                logger.log_metrics({"train/loss": 1.0}, epoch)
            assert not logger.finish(timeout=0.0), "no server to deliver to"
    records = Outbox(tmp_path, "r1").recover()
    times = [record["time"] for record in records if "time" in record]
    assert len(times) == 8, "6 points and 2 ends"
    assert times == sorted(times)


@pytest.mark.usefixtures("backwards")
def test_a_run_resumes_from_its_last_epoch_with_the_same_numbers(
    small_run: TrainConfig, tmp_path: Path
) -> None:
    training = build_training(small_run)
    kept = CheckpointFolder(tmp_path)
    for result in fit(training):
        kept.save(training, small_run, {})
        if result.epoch == 1:
            break
    state = kept.resume_point().state
    assert state is not None
    assert state["epoch"] == 2
    train_alone(small_run, RunData.open(small_run.data), tmp_path, None)
    resumed = kept.resume_point().state
    assert resumed is not None
    undisturbed = build_training(small_run)
    for _ in fit(undisturbed):
        pass
    timed = ("time/", "memory/")
    for epoch, expected in zip(resumed["history"], undisturbed.history, strict=True):
        assert {k: v for k, v in epoch.items() if not k.startswith(timed)} == {
            k: v for k, v in expected.items() if not k.startswith(timed)
        }
        assert all(value >= 0 for key, value in epoch.items() if key.startswith("time/"))
