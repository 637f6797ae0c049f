"""One MLflow server per results directory: started, checked, shared, and always stopped.

Every user (sweep, comparison, `equipose ui`) holds a shared lock on the directory. The first starts the
server, the others reuse it, and it ends with the last user, however that one ends.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

from equipose.orchestrator.failures import TrackingServerError
from equipose.orchestrator.host import LOOPBACK, LOOPBACK_NAMES, alive, free_port
from equipose.orchestrator.tracking.client import bypass_proxy, client
from equipose.orchestrator.tracking.server_process import (
    ServerFiles,
    check_port,
    create_database,
    is_guard,
    kill_leftover,
    launch,
    start_error,
    wait_until_answers,
)
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.locks import locked

PORT_ATTEMPTS = 3
STOP_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class TrackingServer:
    """A tracking server that answers."""

    uri: str
    """Where workers and people reach it."""
    directory: Path
    """Absolute results directory: `mlflow.db`, `artifacts/`, `mlflow-server.log`."""
    guard_pid: int = 0
    """Process that keeps the server alive; 0 for a server that is not ours."""


def check_external(uri: str, directory: Path) -> TrackingServer:
    """A server that the user runs; raises `TrackingServerError` when it cannot be used."""
    from mlflow.exceptions import MlflowException

    if uri.split(":")[0] in ("sqlite", "file") or "://" not in uri:
        raise TrackingServerError(
            f"MLFLOW_TRACKING_URI is {uri!r}, a file that many workers would write at once; "
            f"start a server over it (mlflow server --backend-store-uri {uri}) and give its http address, "
            "or unset the variable"
        )
    try:
        client(uri).search_experiments(max_results=1)
    except MlflowException as error:
        raise TrackingServerError(
            f"the tracking server {uri} does not answer: {error}; start it, correct MLFLOW_TRACKING_URI, "
            "or unset the variable to get a local server"
        ) from error
    return TrackingServer(uri=uri, directory=directory)


def _start(files: ServerFiles, host: str, port: int | None) -> TrackingServer:
    """Start the server of a directory that has none; the caller holds the start lock."""
    kill_leftover(files)
    if port:
        check_port(host, port)
    files.artifacts.mkdir(exist_ok=True)
    create_database(files)
    for _ in range(1 if port else PORT_ATTEMPTS):
        started = launch(files, host, port or free_port(host))
        if started is not None:
            return TrackingServer(uri=started[0], directory=files.directory, guard_pid=started[1])
    raise start_error(files)


def _state(files: ServerFiles) -> dict[str, Any]:
    """What the server's state file says; it may have come with somebody else's results."""
    try:
        state = parse_json(read_bytes(files.state, 4096))
    except (UnreadableFileError, ValueError):
        state = {}
    known = state if isinstance(state, dict) else {}
    return {"uri": None, "guard_pid": 0, "host": socket.gethostname(), **known}


def _running(files: ServerFiles) -> TrackingServer | None:
    """The server that another user of the directory has started; None after its leftovers are removed."""
    if not files.state.exists():
        return None
    state = _state(files)
    if state["host"] != socket.gethostname():
        raise TrackingServerError(
            f"{files.directory} is served by host {state['host']}; work there, or set MLFLOW_TRACKING_URI, "
            f"or delete {files.state} if that host is gone"
        )
    ours = is_guard(files, state["guard_pid"], state["uri"])
    if ours and wait_until_answers(state["uri"], files.directory, state["guard_pid"]):
        return TrackingServer(uri=state["uri"], directory=files.directory, guard_pid=state["guard_pid"])
    files.state.unlink(missing_ok=True)
    return None


def _enter(files: ServerFiles, users: IO[str], host: str, port: int | None) -> TrackingServer:
    with locked(files.start):
        fcntl.flock(users, fcntl.LOCK_SH)
        return _running(files) or _start(files, host, port)


def _leave(files: ServerFiles, users: IO[str], server: TrackingServer) -> None:
    """Release the lock; the last user waits until guard and server are gone."""
    with locked(files.start):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            users.close()
            return
        users.close()
        deadline = time.monotonic() + STOP_SECONDS
        while alive(server.guard_pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if is_guard(files, server.guard_pid, server.uri) and alive(server.guard_pid):
            os.kill(server.guard_pid, signal.SIGKILL)
        kill_leftover(files)
        files.state.unlink(missing_ok=True)


def _check_reach(server: TrackingServer, host: str) -> None:
    """Refuse a server that another job has started for this machine alone where a cluster's nodes need it."""
    if host not in LOOPBACK_NAMES and urlparse(server.uri).hostname in LOOPBACK_NAMES:
        raise TrackingServerError(
            f"{server.directory} is served at {server.uri} by a job or `equipose ui` of this machine alone, "
            f"which other nodes cannot reach (this job needs {host}); wait for it, or take another --out"
        )


@contextmanager
def tracking_server(
    directory: Path, uri: str | None = None, *, host: str = LOOPBACK, port: int | None = None
) -> Iterator[TrackingServer]:
    """The tracking server of a results directory, for the duration of a `with` block.

    directory: created if missing. uri: a server of the user's own, also taken from MLFLOW_TRACKING_URI;
    it is checked and nothing is started. host: address to bind; workers on other nodes need one that they
    can reach. port: chosen by the system when None. Raises `TrackingServerError`.
    """
    directory = Path(directory).resolve()
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        yield check_external(uri, directory)
        return
    files = ServerFiles(directory)
    files.hidden.mkdir(parents=True, exist_ok=True)
    bypass_proxy(f"http://{host}")
    with files.users.open("a") as users:
        server = _enter(files, users, host, port)
        try:
            _check_reach(server, host)
            yield server
        finally:
            _leave(files, users, server)
