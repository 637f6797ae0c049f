"""Starting and recognising the MLflow server process of a results directory."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.failures import TrackingServerError
from equipose.orchestrator.host import LOOPBACK_NAMES, alive
from equipose.orchestrator.sqlite import sqlite_url, whole_database
from equipose.orchestrator.tracking import server_guard
from equipose.orchestrator.tracking.schema import about_age, age_of

START_SECONDS = 180.0
DIRECTORY_TAG = "equipose.directory"
"""Set on the default experiment: tells our server from another one on the same port."""

ARTIFACTS = "mlflow-artifacts:/"
"""Where runs say that their files are: with the server, which knows the folder."""

SERVER_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class ServerFiles:
    """Where the parts of a server live inside a results directory."""

    directory: Path

    @property
    def hidden(self) -> Path:
        """Locks and state."""
        return self.directory / ".tracking"

    @property
    def users(self) -> Path:
        """Locked (shared) by every user of the server."""
        return self.hidden / "users.lock"

    @property
    def start(self) -> Path:
        """Locked (exclusively) while a user arrives or leaves."""
        return self.hidden / "start.lock"

    @property
    def state(self) -> Path:
        """JSON with `uri`, `guard_pid`, `host`; exists once the server has answered."""
        return self.hidden / "server.json"

    @property
    def pid(self) -> Path:
        """Process group of the server itself."""
        return self.hidden / "server.pid"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.directory / "mlflow-server.log"

    @property
    def database(self) -> Path:
        """Runs, parameters, tags and metrics."""
        return self.directory / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """Figures, configs and other files of the runs."""
        return self.directory / "artifacts"


def answers(uri: str, directory: Path) -> bool:
    """Whether `uri` is an MLflow server on this directory's database."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=2) as reply:
            tags = json.load(reply)["experiment"].get("tags", [])
    except (OSError, ValueError, KeyError):  # URLError is an OSError
        return False
    return {"key": DIRECTORY_TAG, "value": str(directory)} in tags


def wait_until_answers(uri: str, directory: Path, guard_pid: int) -> bool:
    """Wait for the server while its guard lives, at most `START_SECONDS`."""
    deadline = time.monotonic() + START_SECONDS
    while alive(guard_pid) and time.monotonic() < deadline:
        if answers(uri, directory):
            return True
        time.sleep(0.1)
    return False


def create_database(files: ServerFiles) -> None:
    """Create the tables before any other process opens the file: concurrent MLflow migrations collide.

    Raises TrackingServerError when the file that is there cannot be used.
    """
    from mlflow.entities import ExperimentTag
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow.store.db", "alembic"):  # they log every table that they create
        logging.getLogger(name).setLevel(logging.WARNING)
    address = sqlite_url(files.database)
    try:
        whole_database(files.database, lambda url: SqlAlchemyStore(url, ARTIFACTS).engine.dispose())
        store = SqlAlchemyStore(address, ARTIFACTS)
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        raise TrackingServerError("; ".join(about_age(files.database, age_of(files.database)))) from error
    except SQLAlchemyError as error:
        raise TrackingServerError(
            f"{files.database} cannot be opened as a database ({error.__class__.__name__}: {error}); "
            "move it away, or choose another results directory"
        ) from error
    store.set_experiment_tag("0", ExperimentTag(DIRECTORY_TAG, str(files.directory)))


def check_port(host: str, port: int) -> None:
    """Raise `TrackingServerError` when the port that the user gave cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingServerError(
                f"port {port} of {host} cannot be used ({error.strerror}); give another, or none"
            ) from error


def command(files: ServerFiles, host: str, port: int) -> list[str]:
    """Command line of guard and server; one worker process, because SQLite has one writer."""
    guard = [server_guard.__file__, *map(str, (files.users, files.state, files.pid, files.log))]
    server = ["-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", sqlite_url(files.database)]
    artifacts = ["--serve-artifacts", "--artifacts-destination", files.artifacts.as_uri()]
    return [sys.executable, *guard, sys.executable, *server, *store, *artifacts]


def launch(files: ServerFiles, host: str, port: int) -> tuple[str, int] | None:
    """Start guard and server; (address, guard's process id), or None when the server ended first."""
    environment = os.environ | SERVER_ENVIRONMENT
    environment.pop("MLFLOW_TRACKING_URI", None)
    if host not in LOOPBACK_NAMES:
        # MLflow accepts loopback and private addresses only; a cluster's may be neither.
        environment.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", f"{host},{host}:*")
    # A group of its own keeps Ctrl-C away. Not a session of its own: Linux divides the processor between
    # sessions first, so beside a busy Ray its pages would take seconds, whatever the workers' priorities.
    guard = subprocess.Popen(
        command(files, host, port), env=environment, process_group=0, stdin=subprocess.DEVNULL
    )
    uri = f"http://{host}:{port}"
    try:
        if not wait_until_answers(uri, files.directory, guard.pid):
            return None
        state = {"uri": uri, "guard_pid": guard.pid, "host": socket.gethostname()}
        files.state.write_text(json.dumps(state))
        return uri, guard.pid
    finally:
        if not files.state.exists():
            guard.terminate()
            guard.wait()


def start_error(files: ServerFiles) -> TrackingServerError:
    """The error to raise, with the end of the server's log and a remedy."""
    lines = files.log.read_text(errors="replace").splitlines()[-15:] if files.log.exists() else ["(empty)"]
    return TrackingServerError(
        f"the MLflow server of {files.directory} did not start. Last lines of {files.log}:\n"
        + "\n".join(lines)
        + "\nRemedy: check that the directory is writable and the disk not full; "
        "or start a server yourself and set MLFLOW_TRACKING_URI."
    )


def read_pid(path: Path) -> int:
    """The process id in a file, not trusted, as it may come with copied results; 0 for anything else.

    To the system, 0, 1 and negative numbers do not mean one process but, for example, every process.
    """
    text = path.read_text(errors="replace")[:20].strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) > 1 else 0


def is_guard(files: ServerFiles, pid: object, uri: object) -> bool:
    """Whether a process is the guard of this directory's server at `uri`, by its command line.

    True on systems that do not show command lines.
    """
    if type(pid) is not int or pid < 2 or not isinstance(uri, str):
        return False
    if not Path("/proc/self/cmdline").exists():
        return True
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return False
    host, _, port = uri.removeprefix("http://").rpartition(":")
    return {str(files.users), str(files.pid), host, port} <= set(arguments)


def kill_leftover(files: ServerFiles) -> None:
    """End a server whose guard was killed, unless its process id now belongs to another program."""
    if not files.pid.exists():
        return
    pid = read_pid(files.pid)
    arguments = Path(f"/proc/{pid}/cmdline")
    if pid and (not arguments.exists() or str(files.database) in arguments.read_text()):
        server_guard.signal_group(pid, server_guard.signal.SIGKILL)
    files.pid.unlink()
