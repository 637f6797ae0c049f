"""Every point once, in order: through a killed server, a lost acknowledgement, a killed run."""

from __future__ import annotations

import http.client
import math
import signal
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

import polars as pl
import pytest
from matplotlib.figure import Figure

from equipose.orchestrator.sweep.job import _end_runs
from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.sweep.results import SweepTable
from equipose.orchestrator.tracking import delivery
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import is_refusal, replay
from equipose.orchestrator.tracking.outbox import Outbox
from equipose.orchestrator.tracking.run_logger import RunLogger, metric_records
from equipose.orchestrator.tracking.runs import create_run, end_run
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.tracking.server_guard import signal_group
from equipose.orchestrator.tracking.server_process import ServerFiles

History = dict[str, list[tuple[int, float]]]
METRICS = ("val/mpjpe_mm", "subset/RL/mpjpe_mm", "shapley/rgb")

pytestmark = pytest.mark.system


def values(epoch: int) -> dict[str, float]:
    """What an epoch logs: a function of the epoch, as in a run that resumes exactly."""
    return {name: 100.0 / (epoch + 1) + i for i, name in enumerate(METRICS)}


def expected(epochs: int) -> History:
    return {name: [(epoch, values(epoch)[name]) for epoch in range(epochs)] for name in METRICS}


def history(server: TrackingServer, run_id: str) -> History:
    """The server's points in its own order: by time, then step."""
    mlflow = client(server.uri)
    return {
        key: [(point.step, point.value) for point in mlflow.get_metric_history(run_id, key)]
        for key in mlflow.get_run(run_id).data.metrics
    }


@pytest.fixture
def run_id(tracking: TrackingServer, request: pytest.FixtureRequest) -> str:
    return create_run(tracking.uri, "logging", request.node.name)


def test_server_killed_while_a_run_logs(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    with RunLogger(tracking.uri, run_id, tmp_path) as logger:
        for epoch in range(40):
            if epoch == 12:
                signal_group(int(ServerFiles(tracking.directory).pid.read_text()), signal.SIGKILL)
            started = time.perf_counter()
            logger.log_metrics(values(epoch), epoch)
            assert time.perf_counter() - started < 1.0, "logging waited for the server"
            time.sleep(0.02)
        assert logger.wait(60)
    assert history(tracking, run_id) == expected(40)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"
    assert not list(tmp_path.iterdir())


@contextmanager
def deaf_proxy(target: str, drop: int) -> Iterator[str]:
    """Forwards every request; drops the first `drop` answers to log-batch requests after they took effect.

    The client tries once more by itself, so two drops in a row are what the logger sees as an outage.
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


KILLED = """
import os, signal, sys
from pathlib import Path
from equipose.orchestrator.tracking.run_logger import RunLogger
logger = RunLogger(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
for epoch in range(7):
    logger.log_metrics({name: 100.0 / (epoch + 1) + i for i, name in enumerate(sys.argv[4:])}, epoch)
    if epoch == 4:
        assert logger.wait(20)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_run_killed_and_resumed_from_an_older_checkpoint(
    tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", KILLED, tracking.uri, run_id, str(tmp_path), *METRICS]
    assert subprocess.run(arguments, timeout=60).returncode == -signal.SIGKILL
    with RunLogger(tracking.uri, run_id, tmp_path) as logger:
        for epoch in range(3, 9):
            logger.log_metrics(values(epoch), epoch)
    assert history(tracking, run_id) == expected(9)


def test_resume_on_a_machine_without_the_old_spool(
    tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    for attempt, epochs in enumerate([range(5), range(2, 8)]):
        with RunLogger(tracking.uri, run_id, tmp_path / str(attempt)) as logger:
            for epoch in epochs:
                logger.log_metrics(values(epoch), epoch)
    assert history(tracking, run_id) == expected(8)


def test_server_away_until_the_driver_replays(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        logger = RunLogger(f"http://127.0.0.1:{nobody.getsockname()[1]}", run_id, tmp_path / "trial-000")
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
            assert time.monotonic() < deadline, "nobody delivered what was handed over"
            time.sleep(0.1)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"
    assert history(tracking, run_id) == expected(3)


def test_replay_reports_what_still_waits(run_id: str, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        logger = RunLogger(uri, run_id, tmp_path)
        logger.log_metrics(values(0), 0)
        assert replay(tmp_path, uri, timeout=0.1) == {}, "a live logger's outbox was touched"
        logger.close(timeout=0.1)
        assert replay(tmp_path, uri, timeout=0.1) == {run_id: 4}  # 3 metrics and the status


def test_hanging_server_does_not_stall_training(run_id: str, tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        logger = RunLogger(f"http://127.0.0.1:{deaf.getsockname()[1]}", run_id, tmp_path)
        started = time.perf_counter()
        for epoch in range(50):
            logger.log_metrics(values(epoch), epoch)
        assert time.perf_counter() - started < 2.0
        assert not logger.close(timeout=0.1)
        assert time.perf_counter() - started < 4.0


def test_nan_and_infinity_are_logged_and_named(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    with RunLogger(tracking.uri, run_id, tmp_path) as logger:
        logger.log_metrics({"train/loss": 1.0}, 0)
        logger.log_metrics({"train/loss": math.nan, "val/loss": math.inf}, 1)
        logger.log_metrics({"train/loss": math.nan}, 2)
    run = client(tracking.uri).get_run(run_id)
    assert math.isnan(run.data.metrics["train/loss"])
    assert run.data.metrics["val/loss"] == sys.float_info.max
    assert run.data.tags["first_nonfinite"] == "train/loss at step 1"
    assert [step for step, _ in history(tracking, run_id)["train/loss"]] == [0, 1, 2]


def test_figure_and_file(tracking: TrackingServer, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with RunLogger(tracking.uri, run_id, tmp_path / "spool") as logger:
        logger.log_figure(Figure(), "figures/contributions.png")
        logger.log_artifact(tmp_path / "config.json", "config.json")
    mlflow = client(tracking.uri)
    local = Path(mlflow.download_artifacts(run_id, "figures/contributions.png", str(tmp_path)))
    assert local.read_bytes().startswith(b"\x89PNG")
    assert {item.path for item in mlflow.list_artifacts(run_id)} == {"config.json", "figures"}


def test_replay_waits_for_a_run_that_is_about_to_let_go(
    tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    """The end of a sweep: the last trial is stopped, and its process takes a moment to go."""
    held = Outbox(tmp_path, run_id)
    held.append([{"kind": "status", "value": "RUNNING"}, *metric_records(values(0), 0, 1)])
    threading.Timer(0.5, held.close, kwargs={"delivered": False}).start()
    assert replay(tmp_path, tracking.uri, patience=30) == {}
    assert history(tracking, run_id) == expected(1)


def test_a_stopped_run_that_is_replayed_late_is_ended_again(
    tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"trial": ["trial-000"], "state": ["stopped"]})
    end_run(tracking.uri, run_id, "FINISHED")
    left = Outbox(tmp_path, run_id)
    left.append([{"kind": "status", "value": "RUNNING"}])
    left.close(delivered=False)
    replay(tmp_path, tracking.uri)
    assert client(tracking.uri).get_run(run_id).info.status == "RUNNING"
    _end_runs(SweepTable(frame=frame), {"trial-000": run_id}, tracking.uri)
    assert client(tracking.uri).get_run(run_id).info.status == "FINISHED"


def test_an_upload_that_is_cut_short_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is uploaded lies beside the outbox and goes with it, not among the temporary files."""
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


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED"), (None, "FINISHED")]
)
def test_status_says_how_a_run_ended(
    error: type[BaseException] | None, status: str, tracking: TrackingServer, run_id: str, tmp_path: Path
) -> None:
    logger = RunLogger(tracking.uri, run_id, tmp_path)
    logger.__exit__(error, None, None)
    assert client(tracking.uri).get_run(run_id).info.status == status


def test_wrong_names_are_refused_at_once(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be 1-250 letters"):
        metric_records({"val/mpjpe(mm)": 1.0}, 0, 0)
    logger = RunLogger("http://127.0.0.1:1", run_id, tmp_path)
    with pytest.raises(ValueError, match="status 'DONE' is unknown"):
        logger.finish("DONE")
    logger.close(timeout=0.0)


def test_which_errors_are_worth_another_try() -> None:
    from mlflow.exceptions import MlflowException, RestException

    assert is_refusal(RestException({"error_code": "INVALID_PARAMETER_VALUE"}))
    assert not is_refusal(RestException({"error_code": "TEMPORARILY_UNAVAILABLE"}))
    assert not is_refusal(MlflowException("503"))
    assert not is_refusal(RestException({"error_code": "RESOURCE_DOES_NOT_EXIST"})), "a stranger's server"
    assert not is_refusal(ConnectionError())
