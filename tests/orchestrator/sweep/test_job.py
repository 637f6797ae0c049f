"""The end of a sweep: no trial stays open in MLflow."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from equipose.orchestrator.sweep.job import end_runs
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import replay
from equipose.orchestrator.tracking.outbox import Outbox
from equipose.orchestrator.tracking.runs import create_run, end_run
from equipose.orchestrator.tracking.server import TrackingServer

pytestmark = pytest.mark.system


def test_a_stopped_run_that_is_replayed_late_is_ended_again(tracking: TrackingServer, tmp_path: Path) -> None:
    run_id = create_run(tracking.uri, "sweep", "trial-000")
    frame = pl.DataFrame({"trial": ["trial-000"], "state": ["stopped"]})
    end_run(tracking.uri, run_id, "FINISHED")
    left = Outbox(tmp_path, run_id)
    left.append([{"kind": "status", "value": "RUNNING"}])
    left.close(delivered=False)
    replay(tmp_path, tracking.uri)
    assert client(tracking.uri).get_run(run_id).info.status == "RUNNING"
    end_runs(frame, {"trial-000": run_id}, tracking.uri)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"
