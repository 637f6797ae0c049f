"""Clusters of several Ray nodes on this machine, hidden from any other Ray here."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray._private import ray_constants
from ray.cluster_utils import Cluster

from equipose.orchestrator.cluster.session import QUIET
from equipose.orchestrator.host import LOOPBACK, free_port

OBJECT_STORE = 100 * 2**20


@contextlib.contextmanager
def head_alone(host: str | None = None, **options: Any) -> Iterator[Cluster]:
    """A cluster of a head without cores, to which worker nodes are added.

    host: address of its nodes; `LOOPBACK` keeps all ports there, None is the address that Ray finds itself.
    It has its own folder: in the common one Ray would record it as the machine's cluster, over an existing
    record. Ends the driver's connection too.
    """
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short, for the paths of sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        for key, value in (QUIET | {"RAY_TMPDIR": folder, "RAY_memory_monitor_refresh_ms": "0"}).items():
            patch.setenv(key, value)  # no memory monitor: other programs' memory must not end a test
        if host == LOOPBACK:  # as in `start_local_ray`
            patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
            patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
        # Another Ray of this machine may have the dashboard's usual port.
        ports = {"dashboard_port": free_port(LOOPBACK)}
        head = {"num_cpus": 0, "include_dashboard": False, **ports, **_node(host), **options}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def add_node(cluster: Cluster, host: str | None = None) -> Any:
    """A node with one core."""
    return cluster.add_node(num_cpus=1, **_node(host))


def _node(host: str | None) -> dict[str, Any]:
    return {"object_store_memory": OBJECT_STORE} | ({"node_ip_address": host} if host else {})
