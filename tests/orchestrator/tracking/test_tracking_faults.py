"""The tracking server is killed for good, or a foreign one takes its port: every point still arrives once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlparse

import pytest

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import replay
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer, tracking_server
from equipose.orchestrator.tracking.server_guard import signal_group
from equipose.orchestrator.tracking.server_process import ServerFiles

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _no_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def kill_for_good(server: TrackingServer) -> None:
    """Kill guard and server (signal 9), so that nothing restarts it."""
    os.kill(server.guard_pid, signal.SIGKILL)
    group = int(ServerFiles(server.directory).pid.read_text())
    while signal_group(group, signal.SIGKILL):
        time.sleep(0.05)
    os.waitpid(server.guard_pid, 0)


def points(server: TrackingServer, run_id: str) -> list[tuple[int, float]]:
    found = client(server.uri).get_metric_history(run_id, "val/mpjpe_mm")
    return [(point.step, point.value) for point in found]


def log(logger: RunLogger, first: int, last: int) -> None:
    for step in range(first, last):
        logger.log_metrics({"val/mpjpe_mm": 100.0 / (step + 1)}, step)


def expected(count: int) -> list[tuple[int, float]]:
    return [(step, 100.0 / (step + 1)) for step in range(count)]


def test_server_killed_for_good_then_started_by_the_next_job(tmp_path: Path) -> None:
    out, outbox = tmp_path / "out", tmp_path / "spool"
    with tracking_server(out) as server:
        run_id = create_run(server.uri, "faults", "killed")
        logger = RunLogger(server.uri, run_id, outbox)
        log(logger, 0, 5)
        assert logger.wait(60)
        kill_for_good(server)
        log(logger, 5, 10)
        assert not logger.finish(timeout=1.0)
    began = time.monotonic()
    with tracking_server(out) as server:
        assert replay(outbox, server.uri) == {}
        print(f"all points {time.monotonic() - began:.1f} s after the next job's start")
        assert points(server, run_id) == expected(10)
        assert client(server.uri).get_run(run_id).info.status == "FINISHED"
    assert not list(outbox.iterdir())


def test_a_strangers_server_on_the_port_gets_and_costs_nothing(tmp_path: Path) -> None:
    out, outbox = tmp_path / "out", tmp_path / "spool"
    with tracking_server(out) as server:
        run_id = create_run(server.uri, "faults", "stranger")
        logger = RunLogger(server.uri, run_id, outbox)
        log(logger, 0, 5)
        assert logger.wait(60)
        kill_for_good(server)
        with tracking_server(tmp_path / "stranger", port=urlparse(server.uri).port) as stranger:
            assert stranger.uri == server.uri
            log(logger, 5, 10)
            assert not logger.wait(3)
            assert not logger.finish(timeout=1.0)
            assert not list(outbox.glob("*.rejected.jsonl")), "a foreign server cost points"
            assert [e.name for e in client(stranger.uri).search_experiments()] == ["Default"]
            assert client(stranger.uri).search_runs(["0"]) == []
            with tracking_server(out) as again:  # a job that resumes while the stranger is there
                assert again.uri != stranger.uri
                assert replay(outbox, again.uri) == {}
                assert points(again, run_id) == expected(10)
