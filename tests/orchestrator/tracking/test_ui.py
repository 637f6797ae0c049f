"""`equipose ui --host`: what is opened answers under the names that were asked for, and under no other."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from equipose.orchestrator.host import free_port
from equipose.orchestrator.tracking.server_process import ServerFiles, create_database
from equipose.orchestrator.tracking.ui import (
    EVERYWHERE,
    check_hosts,
    environment_of,
    open_ui,
    server_names,
)

OWN = socket.gethostname()


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"):
        monkeypatch.delenv(name, raising=False)


def test_names_of_a_server() -> None:
    assert server_names("127.0.0.1", ["proxy"]) == ("127.0.0.1", "localhost", "proxy")
    everywhere = server_names(EVERYWHERE, ["box"])
    assert {EVERYWHERE, "127.0.0.1", "localhost", OWN, "box"} <= set(everywhere)
    hosts, origins = environment_of(["box"]).values()
    assert hosts == "box,box:*"
    assert origins == "http://box,http://box:*,https://box,https://box:*"


@pytest.mark.parametrize("host", ["192.0.2.1", "::1", "no.such.host.invalid"])
def test_addresses_of_other_machines_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match=f"--host '{host}' is no IPv4 address of this machine"):
        check_hosts(host, ())


@pytest.mark.parametrize("name", ["http://box", "box:80", "box/x", "a,b", "", "-x"])
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"--allowed-hosts .* is no host; give a name without scheme"):
        check_hosts("127.0.0.1", [name])


def test_a_server_of_the_user_s_own_is_not_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.lab")
    with pytest.raises(ValueError, match=r"of a server of ours; MLFLOW_TRACKING_URI is http://mlflow\.lab"):
        open_ui(tmp_path, host=EVERYWHERE)


def status(port: int, host: str) -> int:
    """Of the search that MLflow's pages send, with their own address as its origin."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/runs/search",
        data=b'{"experiment_ids": ["0"]}',
        headers={
            "Host": f"{host}:{port}",
            "Origin": f"http://{host}:{port}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.system
@pytest.mark.timeout(400)
def test_an_opened_server_answers_to_its_names_only(tmp_path: Path) -> None:
    create_database(ServerFiles(tmp_path))
    said: list[str] = []
    seen: dict[str, int] = {}
    port = free_port()

    def look() -> None:
        seen.update({name: status(port, name) for name in ("localhost", OWN, "box.example", "evil.example")})

    open_ui(tmp_path, port, host=EVERYWHERE, allowed_hosts=["box.example"], wait=look, say=said.append)
    assert seen == {"localhost": 200, OWN: 200, "box.example": 200, "evil.example": 403}
    assert any(
        f"Open to others: whoever reaches http://{OWN}:{port} can read, change" in line for line in said
    )
    assert "MLFLOW_SERVER_ALLOWED_HOSTS" not in os.environ


@pytest.mark.system
@pytest.mark.timeout(400)
def test_loopback_stays_the_default(tmp_path: Path) -> None:
    create_database(ServerFiles(tmp_path))
    said: list[str] = []
    port = free_port()
    address = socket.gethostbyname(OWN)

    def look() -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address if address != "127.0.0.1" else "127.0.0.2", port), 5).close()

    open_ui(tmp_path, port, wait=look, say=said.append)
    assert not any("Open to others" in line for line in said)
