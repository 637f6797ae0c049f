"""Starting Ray on this machine alone: every port on loopback, its token readable by this user only."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from equipose.orchestrator.cluster.temp_folder import python_temp_folder, short_folder
from equipose.orchestrator.host import LOOPBACK, alive, free_port

MARK = ".equipose"
"""File in the folder of a Ray session that names its owner: host and process."""

SINGLE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's own switch between one machine and a cluster, off by default on macOS and Windows only. While it
is on, Ray replaces 127.0.0.1 by the machine's public address, and most of its servers listen everywhere."""


SETTLED = 5.0
"""Seconds; a younger socket may not listen yet."""


def start_local_ray(**options: Any) -> None:
    """`ray.init` for a cluster of this machine only; options as there.

    Ray's token authentication keeps its default: on, with a token made on first use. Raises TimeoutError
    when Ray does not start within its own time limit, ValueError when no folder is short enough.
    """
    import ray

    from equipose.orchestrator.cluster.ray_private import single_machine

    # Ray's processes inherit their own address. Without it, those of Ray Train that free a stopped trial's
    # resources look for "the" Ray of this machine; where a second one runs, they fail or ask the wrong one.
    port = free_port()
    passed_on = SINGLE_MACHINE | {"RAY_GCS_SERVER_PORT": str(port), "RAY_ADDRESS": f"{LOOPBACK}:{port}"}
    short = short_folder()
    if short:
        options["_temp_dir"] = str(short / "ray")
        passed_on["TMPDIR"] = str(short)
    inherited = {name: os.environ.get(name) for name in passed_on}
    os.environ.update(passed_on)
    try:
        # "local", or Ray would join the cluster of the last `ray start` on this machine.
        with single_machine():
            context = ray.init(address="local", _node_ip_address=LOOPBACK, **options)
    except Exception as error:
        if type(error) is not Exception:  # Ray has no class of its own for this
            raise
        raise TimeoutError(
            f"Ray did not start on this machine, which may be too busy for it ({error}); "
            "close other programs, or wait for them"
        ) from error
    finally:
        for name, value in inherited.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    keep_token_private()
    session = Path(context.address_info["session_dir"])
    session.chmod(0o700)  # logs and sockets, which Ray leaves writable for everyone
    clear_dead_sessions(session.parent)
    clear_dead_listeners(python_temp_folder())
    (session / MARK).write_text(f"{socket.gethostname()} {os.getpid()}")


def clear_dead_sessions(folder: Path) -> None:
    """Remove the folders of local Rays that were started here and whose process is gone.

    Ray keeps them all, megabytes of logs each. The last job's stay until the next one starts. Folders
    without our mark belong to others.
    """
    for mark in folder.glob(f"session_*/{MARK}"):
        host, _, pid = mark.read_text(errors="replace")[:300].rpartition(" ")
        ours = mark.stat().st_uid == os.getuid() and not mark.parent.is_symlink()
        if ours and host == socket.gethostname() and pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(mark.parent, ignore_errors=True)


def clear_dead_listeners(folder: Path) -> None:
    """Remove what Python's multiprocessing leaves of killed processes: folders of dead sockets.

    Ray's dashboard leaves one, `pymp-*`, every time. Folders of other users, with other files, or with a
    socket that answers stay.
    """
    for found in folder.glob("pymp-*"):
        try:
            sockets = list(found.iterdir())
            own = found.stat().st_uid == os.getuid() and not found.is_symlink()
            if not own or not sockets or time.time() - found.stat().st_mtime < SETTLED:
                continue
            if all(path.is_socket() and _is_deaf(path) for path in sockets):
                shutil.rmtree(found)
        except OSError:
            continue  # just removed, or not ours to read


def _is_deaf(path: Path) -> bool:
    """Whether nothing listens at a socket any more."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def keep_token_private(token: Path | None = None) -> None:
    """Make Ray's token file, which Ray writes readable for everyone, readable by its owner only."""
    path = token or Path.home() / ".ray" / "auth_token"
    if path.is_file() and path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        path.chmod(0o600)
