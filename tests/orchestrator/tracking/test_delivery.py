"""Delivery: every point arrives once, through lost answers, outages, hand-overs and refusals."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import MagicMock
from urllib.parse import urlparse

import pytest
from logged_values import METRICS, expected, values
from same_runs import history

from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.tracking import delivery
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import is_refusal, replay
from equipose.orchestrator.tracking.outbox import Outbox
from equipose.orchestrator.tracking.run_logger import RunLogger, metric_records
from equipose.orchestrator.tracking.server import TrackingServer

pytestmark = pytest.mark.system


@contextmanager
def deaf_proxy(target: str, drop: int) -> Iterator[str]:
    """Forwards every request; drops the first `drop` answers to log-batch requests after they took effect.

    The client retries once, so it takes two drops in a row for the logger to see an outage.
    """
    left = [drop]

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server = http.client.HTTPConnection(urlparse(target).netloc)
            server.request(self.command, self.path, body, {"Content-Type": "application/json"})
            answer = server.getresponse()
            content = answer.read()
            if self.path.endswith("log-batch") and left[0]:
                left[0] -= 1
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _forward

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        assert left == [0], "no answer was dropped, so nothing was tested"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


def test_lost_acknowledgements(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    with deaf_proxy(tracking.uri, drop=4) as uri, RunLogger(uri, run_id, tmp_path) as logger:
        for epoch in range(6):
            logger.log_metrics(values(epoch), epoch)
            assert logger.wait(30)
    assert history(tracking, run_id) == expected(6)


def test_server_away_until_the_driver_replays(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        logger = RunLogger(f"http://127.0.0.1:{unused.getsockname()[1]}", run_id, tmp_path / "trial-000")
        for epoch in range(5):
            logger.log_metrics(values(epoch), epoch)
        logger.set_tags({"note": "late"})
        logger.log_artifact("text", "notes/a.txt")
        assert not logger.finish(timeout=0.2)
    assert replay(tmp_path, tracking.uri) == {}
    run = client(tracking.uri).get_run(run_id)
    assert history(tracking, run_id) == expected(5)
    assert (run.info.status, run.data.tags["note"]) == ("FINISHED", "late")
    assert [item.path for item in client(tracking.uri).list_artifacts(run_id, "notes")] == ["notes/a.txt"]
    assert replay(tmp_path, tracking.uri) == {}
    assert history(tracking, run_id) == expected(5)


def test_hand_over_to_the_driver(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    """A run that ends without waiting, in another process, while the driver replays."""
    code = f"""
import time
from pathlib import Path
from equipose.orchestrator.tracking.run_logger import RunLogger
logger = RunLogger({tracking.uri!r}, {run_id!r}, Path({str(tmp_path / "trial")!r}))
for epoch in range(3):
    logger.log_metrics({{name: 100.0 / (epoch + 1) + i for i, name in enumerate({METRICS!r})}}, epoch)
start = time.monotonic()
logger.finish(timeout=0.0)
print(time.monotonic() - start)
"""
    with periodically("replay", partial(replay, tmp_path, tracking.uri), 0.2):
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert float(ended.stdout) < 1.0, "the run waited"
        assert not ended.stderr
        deadline = time.monotonic() + 30
        while list((tmp_path / "trial").iterdir()):
            assert time.monotonic() < deadline, "what was handed over was not delivered"
            time.sleep(0.1)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"
    assert history(tracking, run_id) == expected(3)


def test_replay_reports_what_still_waits(run_id: str, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        logger = RunLogger(uri, run_id, tmp_path)
        logger.log_metrics(values(0), 0)
        assert replay(tmp_path, uri, timeout=0.1) == {}, "a live logger's outbox was touched"
        logger.close(timeout=0.1)
        assert replay(tmp_path, uri, timeout=0.1) == {run_id: 4}  # 3 metrics and the status


def test_replay_waits_for_a_run_that_is_about_to_end(
    tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    """The end of a sweep: the last trial is stopped, and its process takes a moment to end."""
    held = Outbox(tmp_path, run_id)
    held.append([{"kind": "status", "value": "RUNNING"}, *metric_records(values(0), 0, 1)])
    threading.Timer(0.5, held.close, kwargs={"delivered": False}).start()
    assert replay(tmp_path, tracking.uri, patience=30) == {}
    assert history(tracking, run_id) == expected(1)


def test_an_upload_that_is_cut_short_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An upload is prepared beside the outbox, which is removed with it, not in the temporary folder."""
    mlflow, places = MagicMock(), []
    mlflow.log_artifact.side_effect = lambda run_id, path, folder: places.append(Path(path))
    monkeypatch.setattr(delivery, "client", lambda uri: mlflow)
    with RunLogger("http://nobody", "run", tmp_path) as logger:
        logger.log_artifact("text", "notes/a.txt")
    (place,) = places
    assert place.name == "a.txt"
    assert tmp_path / "run.files" in place.parents
    assert not list(tmp_path.iterdir())


def test_refused_records_are_put_aside(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    logger = RunLogger(tracking.uri, run_id, tmp_path)
    logger.set_tags({"a?": "kept aside"})
    logger.log_metrics(values(0), 0)
    assert not logger.finish()
    rejected = (tmp_path / f"{run_id}.rejected.jsonl").read_text()
    assert "kept aside" in rejected
    assert "INVALID_PARAMETER_VALUE" in rejected
    assert history(tracking, run_id) == expected(1)


def test_which_errors_are_retried() -> None:
    from mlflow.exceptions import MlflowException, RestException

    assert is_refusal(RestException({"error_code": "INVALID_PARAMETER_VALUE"}))
    assert not is_refusal(RestException({"error_code": "TEMPORARILY_UNAVAILABLE"}))
    assert not is_refusal(MlflowException("503"))
    assert not is_refusal(RestException({"error_code": "RESOURCE_DOES_NOT_EXIST"})), "a foreign server"
    assert not is_refusal(ConnectionError())
