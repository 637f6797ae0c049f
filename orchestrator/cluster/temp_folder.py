"""The folder of a local Ray's sessions: short enough for the names of its sockets."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.machine import can_write

SHORT = Path("/tmp")
"""Taken where the folder of the environment is too long."""
SOCKET = f"ray/session_{'0' * 34}/sockets/dash_TaskEventsHead"
"""The longest name that Ray gives a socket below its temporary folder; the session ends in a process id."""


@dataclass(frozen=True, kw_only=True)
class TempFolder:
    """The temporary folder that the environment gives Ray, and the one that a local Ray uses."""

    given: Path
    variable: str
    """That names it; empty for the system's default."""
    used: Path | None
    """None where no folder would do."""
    limit: int
    """Bytes of a socket's path that the system allows."""

    @property
    def longest(self) -> int:
        """Bytes of the longest socket's path in the given folder."""
        return len(os.fsencode(self.given / SOCKET))

    @property
    def room(self) -> int:
        """Bytes that the folder's path may have."""
        return self.limit - len(f"/{SOCKET}")

    @property
    def moved(self) -> bool:
        """Whether another folder than the given one is used."""
        return self.used != self.given


def temp_folder(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform, short: Path = SHORT
) -> TempFolder:
    """Where a local Ray would keep its sessions, by Ray's own rule, and where it does here."""
    names = ("RAY_TMPDIR", "TMPDIR") if platform == "linux" else ("RAY_TMPDIR",)
    variable = next((name for name in names if environment.get(name)), "")
    given = Path(environment[variable]) if variable else SHORT
    limit = 103 if platform == "darwin" else 107
    found = TempFolder(given=given, variable=variable, used=given, limit=limit)
    if found.longest <= limit:
        return found
    spare = short if can_write(short) and len(os.fsencode(short)) <= found.room else None
    return TempFolder(given=given, variable=variable, used=spare, limit=limit)


def short_folder() -> Path | None:
    """The folder to give a local Ray in place of the environment's; None where that one will do.

    Raises ValueError when none would do.
    """
    found = temp_folder()
    if found.used is None:
        raise ValueError(
            f"{found.variable} is {found.given}, too long for Ray's sockets, and {SHORT} cannot be written; "
            f"set RAY_TMPDIR to a folder whose path has at most {found.room} bytes"
        )
    return found.used if found.moved else None


def python_temp_folder() -> Path:
    """Where the Python processes of a local Ray keep their sockets."""
    return short_folder() or Path(tempfile.gettempdir())
