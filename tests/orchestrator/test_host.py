"""Free ports, and processes that run, are zombies, or are gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from equipose.orchestrator.host import LOOPBACK, alive, free_port


def test_alive_knows_zombies() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid)
    child.wait()
    assert not alive(child.pid)
    assert alive(os.getpid())


def test_a_free_port_can_be_used_at_once() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, free_port()))
        taken.listen()
        assert free_port() != taken.getsockname()[1]
