"""Ray for the duration of a block, and no longer."""

from __future__ import annotations

import glob
import os
import platform
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from equipose.orchestrator.cluster import local_ray, session
from equipose.orchestrator.cluster.local_ray import (
    MARK,
    clear_dead_listeners,
    clear_dead_sessions,
    keep_token_private,
)
from equipose.orchestrator.cluster.ray_cluster import RayCluster
from equipose.orchestrator.cluster.session import QUIET, SessionConfig, ray_session
from equipose.orchestrator.host import LOOPBACK


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"num_cpus": 0}, "num_cpus must be at least 1"), ({"object_store_mb": 10}, "at least 80, got 10")],
)
def test_impossible_sessions_are_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionConfig(**fields)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What `ray.init` and `ray.shutdown` would have been asked."""
    seen: list[Any] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for key in QUIET:
        monkeypatch.delenv(key, raising=False)
    context = SimpleNamespace(address_info={"session_dir": tmp_path})
    monkeypatch.setattr(session.ray, "init", lambda **options: seen.append(options) or context)
    monkeypatch.setattr(local_ray, "keep_token_private", lambda: None)
    monkeypatch.setattr(session.ray, "shutdown", lambda: seen.append("shutdown"))
    monkeypatch.setattr(session.ray, "is_initialized", lambda: False)
    return seen


def here(address: str) -> RayCluster:
    """A cluster that runs what this process runs."""
    python = platform.python_version()
    return RayCluster(address=address, ray_version=ray.__version__, python_version=python, nodes=())


def test_local_ray_stays_on_loopback_and_stops(calls: list[Any]) -> None:
    with pytest.raises(KeyError), ray_session(SessionConfig(num_cpus=1)):
        raise KeyError
    options, end = calls
    assert end == "shutdown", "also when the block fails"
    assert (options["num_cpus"], options["_node_ip_address"]) == (1, LOOPBACK)
    assert options["dashboard_host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (Exception("The current node timed out during startup."), TimeoutError, "too busy for it .The curr"),
        (ValueError("num_cpus"), ValueError, "^num_cpus$"),
    ],
)
def test_a_ray_that_does_not_start_in_time_is_one_line(
    calls: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    raised: type[Exception],
    said: str,
) -> None:
    def init(**options: Any) -> None:
        raise error

    monkeypatch.setattr(session.ray, "init", init)
    with pytest.raises(raised, match=said), ray_session(SessionConfig(num_cpus=1)):
        pass
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ


def test_a_running_cluster_is_joined(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_cluster", here)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "7")
    with ray_session():
        pass
    assert calls[0]["address"] == "10.0.0.1:6379"
    assert calls[0]["runtime_env"]["env_vars"]["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "7", "the user's wins"


def test_a_ray_that_happens_to_run_here_is_not_joined(calls: list[Any]) -> None:
    with ray_session():
        pass
    assert calls[0]["address"] == "local", "not whatever `ray start` has left a note of"


def test_a_cluster_of_other_versions_is_not_joined(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_cluster", lambda address: replace(here(address), ray_version="2.9.3"))
    config = SessionConfig(address="10.0.0.1:6379")
    with pytest.raises(ValueError, match=r"runs Ray 2\.9\.3 .*unset RAY_ADDRESS"), ray_session(config):
        pass
    assert calls == []


def test_whoever_started_ray_stops_it(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ray, "is_initialized", lambda: True)
    with ray_session():
        assert ray.is_initialized()
    assert calls == []


def test_token_is_for_its_owner_only(tmp_path: Path) -> None:
    token = tmp_path / "auth_token"
    keep_token_private(token)
    assert not token.exists()
    token.write_text("secret")
    token.chmod(0o644)
    keep_token_private(token)
    assert token.stat().st_mode & 0o777 == 0o600


def test_folders_of_dead_sessions_go_and_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    here = socket.gethostname()
    marks = {
        "session_dead": f"{here} {dead.pid}",
        "session_alive": f"{here} {os.getpid()}",
        "session_elsewhere": f"not-{here} {dead.pid}",
        "session_odd": "../..",
    }
    for name, mark in marks.items():
        (tmp_path / name / "logs").mkdir(parents=True)
        (tmp_path / name / MARK).write_text(mark)
    (tmp_path / "session_strange").mkdir()
    clear_dead_sessions(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*marks, "session_strange"} - {"session_dead"}


def test_dead_sockets_of_multiprocessing_go_and_others_stay(tmp_path: Path) -> None:
    places = {name: tmp_path / f"pymp-{name}" for name in ("dead", "alive", "empty", "mixed")}
    for place in places.values():
        place.mkdir()
    alive = socket.socket(socket.AF_UNIX)
    alive.bind(str(places["alive"] / "listener-1"))
    alive.listen()
    for name in ("dead", "mixed"):
        with socket.socket(socket.AF_UNIX) as closed:
            closed.bind(str(places[name] / "listener-1"))
    (places["mixed"] / "notes.txt").write_text("somebody's")
    with alive:
        clear_dead_listeners(tmp_path)
        assert len(list(tmp_path.iterdir())) == 4, "a young one may not listen yet"
        for place in places.values():
            os.utime(place, (time.time() - 60, time.time() - 60))
        clear_dead_listeners(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"pymp-alive", "pymp-empty", "pymp-mixed"}


def listening(pids: set[int]) -> dict[str, set[str]]:
    """Hexadecimal address -> commands of the processes among `pids` that listen on it."""
    owners: dict[str, str] = {}
    for link in (link for pid in pids for link in glob.glob(f"/proc/{pid}/fd/*")):
        try:
            target = os.readlink(link)
        except OSError:
            continue  # closed while we looked
        if target.startswith("socket:["):
            pid = link.split("/")[2]
            owners[target[8:-1]] = Path(f"/proc/{pid}/comm").read_text().strip()
    found: dict[str, set[str]] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state, inode = (line.split()[i] for i in (1, 3, 9))
            if state == "0A" and inode in owners:
                found.setdefault(address.split(":")[0], set()).add(owners[inode])
    return found


@pytest.mark.system
def test_every_port_of_a_local_session_is_on_loopback_and_asks_for_the_token(
    monkeypatch: pytest.MonkeyPatch, processes_below: Callable[[int], dict[int, str]]
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with ray_session(SessionConfig(num_cpus=1)):
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
        ports = listening({os.getpid(), *processes_below(os.getpid())})
        auth = os.environ.get("RAY_AUTH_MODE")
        rights = Path(ray._private.worker._global_node.get_session_dir_path()).stat().st_mode & 0o777
    assert {"raylet", "gcs_server"} <= set().union(*ports.values())
    outer = {address: who for address, who in ports.items() if not re.fullmatch(LOOPBACK_HEX, address)}
    assert outer == {}
    assert auth == "token"
    assert rights == 0o700


LOOPBACK_HEX = "[0-9A-F]{6}7F|0{16}F{4}0{4}[0-9A-F]{6}7F|0{24}01000000"
"""127.x.x.x, the same as an IPv6 address, and ::1, as the kernel's tables write them."""
