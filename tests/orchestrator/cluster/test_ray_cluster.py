"""A cluster is joined only when it was asked for, and one that is away is named before anything waits."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from equipose.orchestrator.cluster.ray_cluster import cluster_address, source_address


@pytest.fixture(autouse=True)
def _own_ray_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "address"), [("local", None), ("10.0.0.1:6379", "10.0.0.1:6379"), ("head:1234", "head:1234")]
)
def test_an_address_is_taken_as_it_is(given: str, address: str | None) -> None:
    assert cluster_address(given) == address


def test_auto_is_the_cluster_that_ray_start_made_this_machine_a_node_of(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no `ray start` has run on this machine; start the cluster"):
        cluster_address("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("10.0.0.1:6379\n")
    assert cluster_address("auto") == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("given", "message"),
    [("ray://head:10001", "not a Ray client"), ("head", "give host:port"), (":6379", "give host:port")],
)
def test_what_is_no_address_is_refused(given: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_address(given)


def test_the_address_that_the_head_knows_this_machine_by() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        assert source_address(f"127.0.0.2:{server.getsockname()[1]}").startswith("127.0.0.")
        gone = server.getsockname()[1]
    with pytest.raises(ValueError, match=r"127.0.0.2:\d+ does not answer .*unset it"):
        source_address(f"127.0.0.2:{gone}")
