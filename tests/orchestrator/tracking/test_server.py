"""The server process: shared, checked, and gone when its last user is gone."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from equipose.orchestrator.failures import TrackingServerError
from equipose.orchestrator.tracking import server_process
from equipose.orchestrator.tracking.server import TrackingServer, check_external, tracking_server
from equipose.orchestrator.tracking.server_guard import signal_group
from equipose.orchestrator.tracking.server_process import (
    ServerFiles,
    answers,
    command,
    wait_until_answers,
)

USER = """
import sys, time
from pathlib import Path
from equipose.orchestrator.tracking.server import tracking_server
with tracking_server(Path(sys.argv[1])) as server:
    print(server.uri, flush=True)
    time.sleep(300)
"""


@pytest.fixture(autouse=True)
def _no_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def processes_naming(text: str) -> list[int]:
    """Ids of all running processes with `text` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
    return found


@pytest.mark.system
def test_server_outlives_its_starter_but_not_its_last_user(tmp_path: Path) -> None:
    def leave_with_an_error() -> tuple[TrackingServer, subprocess.Popen[str]]:
        with tracking_server(tmp_path) as server:
            second = subprocess.Popen(
                [sys.executable, "-c", USER, str(tmp_path)], stdout=subprocess.PIPE, text=True
            )
            assert second.stdout is not None
            assert second.stdout.readline().strip() == server.uri
            seen.append((server, second))
            raise KeyboardInterrupt

    seen: list[tuple[TrackingServer, subprocess.Popen[str]]] = []
    with pytest.raises(KeyboardInterrupt):
        leave_with_an_error()
    server, second = seen[0]
    try:
        assert answers(server.uri, tmp_path)
        assert len(processes_naming(str(ServerFiles(tmp_path).database))) >= 2
    finally:
        second.kill()  # signal 9: no cleanup code of the user runs
        second.communicate()
    deadline = time.monotonic() + 15
    while processes_naming(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_naming(str(tmp_path)) == []
    assert not ServerFiles(tmp_path).state.exists()


@pytest.mark.system
def test_killed_server_comes_back_on_its_port(tracking: TrackingServer) -> None:
    files = ServerFiles(tracking.directory)
    before = files.pid.read_text()
    signal_group(int(before), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while files.pid.read_text() in (before, "") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert files.pid.read_text() != before
    assert wait_until_answers(tracking.uri, tracking.directory, tracking.guard_pid)


@pytest.mark.system
def test_a_stranger_on_the_port_is_not_taken_for_ours(tracking: TrackingServer, tmp_path: Path) -> None:
    assert not answers(tracking.uri, tmp_path)


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(TrackingServerError, match=f"port {port} of 127.0.0.1 cannot be used"),
            tracking_server(tmp_path, port=port),
        ):
            pass


def test_server_that_ends_at_once_is_an_error_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(files: ServerFiles, host: str, port: int) -> list[str]:
        whole = command(files, host, port)
        stop = whole.index("-m")
        return [*whole[:stop], "-c", "import sys; sys.exit('no space left')", str(tmp_path)]

    monkeypatch.setattr(server_process, "command", broken)
    monkeypatch.setattr("equipose.orchestrator.tracking.server.create_database", lambda files: None)
    with (
        pytest.raises(TrackingServerError, match=r"(?s)did not start.*Last lines of .*no space left.*Remedy"),
        tracking_server(tmp_path),
    ):
        pass
    assert processes_naming(str(tmp_path)) == []


@pytest.mark.system
def test_broken_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database " * 100)
    with pytest.raises(TrackingServerError, match=r"mlflow\.db cannot be opened"), tracking_server(tmp_path):
        pass


def test_directory_served_from_another_host_is_refused(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    files.hidden.mkdir()
    files.state.write_text('{"uri": "http://127.0.0.1:1", "guard_pid": 1, "host": "elsewhere"}')
    with pytest.raises(TrackingServerError, match="served by host elsewhere"), tracking_server(tmp_path):
        pass


@pytest.mark.parametrize("uri", ["sqlite:////tmp/a.db", "file:/tmp/mlruns", "./mlruns"])
def test_a_file_is_not_a_tracking_server(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingServerError, match="a file that many workers would write"):
        check_external(uri, tmp_path)


@pytest.mark.system
def test_own_server_is_checked_and_used(
    tracking: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    with tracking_server(tmp_path) as server:
        assert server.uri == tracking.uri
        assert not (tmp_path / "mlflow.db").exists()
    assert answers(tracking.uri, tracking.directory)
    assert server.guard_pid == 0, "a server of the user's is not ended"


@pytest.mark.system
def test_own_server_that_is_away_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TrackingServerError, match="unset the variable"), tracking_server(tmp_path, uri):
            pass
