"""Logging: training never waits, and a run that is killed or resumed has every point once, in order."""

from __future__ import annotations

import math
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from logged_values import METRICS, expected, values
from matplotlib.figure import Figure
from same_runs import history

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.run_logger import RunLogger, metric_records
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.tracking.server_guard import signal_group
from equipose.orchestrator.tracking.server_process import ServerFiles

pytestmark = pytest.mark.system


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


SHORT = """
import sys
from pathlib import Path
from equipose.orchestrator.tracking.run_logger import RunLogger
logger = RunLogger("http://127.0.0.1:1", "run", Path(sys.argv[1]), first_delivery=60.0)
logger.log_metrics({"loss": 1.0}, 0)
logger.finish(timeout=0.0)
print("mlflow" in sys.modules)
"""


def test_a_short_run_that_hands_over_imports_no_mlflow(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHORT, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
    assert (tmp_path / "run.jsonl").read_text().count("\n") == 3, "status, metric, status"


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
