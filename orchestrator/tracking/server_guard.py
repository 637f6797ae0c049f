"""Keeps a server running while it has users, and ends it when the last one is gone.

Runs as a script, on the standard library alone, so that it starts at once and takes little memory:
`python server_guard.py <users.lock> <server.json> <server.pid> <server.log> <command> ...`

Every user holds a shared lock on `users.lock`. The kernel releases the lock of a process however it
ends, so a server never outlives a driver that was killed with signal 9.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.1
STOP_SECONDS = 5.0
MAX_RESTARTS = 5


def unused(lock: IO[str]) -> bool:
    """True, and the lock is ours, when no user holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def spawn(command: list[str], pid_file: Path, log_file: Path) -> subprocess.Popen[bytes]:
    """Start the server in a process group of its own and note the group's id."""
    with log_file.open("ab") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, process_group=0
        )
    pid_file.write_text(str(server.pid))
    return server


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False when it has no members left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the whole group: SIGTERM, then SIGKILL."""
    signal_group(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(STOP_SECONDS)
    signal_group(server.pid, signal.SIGKILL)
    server.wait()


def guard(lock: IO[str], state: Path, pid_file: Path, log_file: Path, command: list[str]) -> int:
    """Run the server until it has no users; restart it when it dies after it was ready.

    Returns the exit status: 0 after a regular end, else the server's own.
    """
    server = spawn(command, pid_file, log_file)
    restarts = 0
    try:
        while not unused(lock):
            if server.poll() is not None:
                signal_group(server.pid, signal.SIGKILL)
                if not state.exists() or restarts == MAX_RESTARTS:
                    return server.returncode or 1
                restarts += 1
                server = spawn(command, pid_file, log_file)
            time.sleep(POLL_SECONDS)
        return 0
    finally:
        stop(server)
        state.unlink(missing_ok=True)
        pid_file.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Parse the command line, turn SIGTERM into an orderly end, guard."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lock, state, pid_file, log_file = map(Path, arguments[:4])
    with lock.open("a") as handle:
        return guard(handle, state, pid_file, log_file, arguments[4:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
