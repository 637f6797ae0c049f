"""The Ray cluster that a job is to join: its address, whether it answers, and what it runs."""

from __future__ import annotations

import platform
import socket
from dataclasses import dataclass
from typing import Any

import ray

from equipose.orchestrator.cluster.machine import GIB
from equipose.orchestrator.cluster.ray_private import address_of_this_node, ask_head

CONNECT_SECONDS = 5.0
ALIVE = 0
"""State of a node in the head's table (`GcsNodeInfo.GcsNodeState`)."""
REMEDY = (
    "start the cluster (`ray up cluster.yaml`, or `ray start --head`), correct RAY_ADDRESS, "
    "or unset it to use a Ray of this machine alone"
)


def cluster_address(given: str) -> str | None:
    """`host:port` that a value of RAY_ADDRESS stands for; None for `local`, a Ray of one's own.

    `auto` is the cluster of the last `ray start` on this machine. Ray itself would also join any other Ray
    that happens to run here, such as another user's sweep. Raises ValueError with a remedy.
    """
    if given == "local":
        return None
    if given.startswith("ray://"):
        raise ValueError(
            f"RAY_ADDRESS is {given!r}, but training needs a driver on a node of the cluster, not a Ray "
            "client; use `ray submit cluster.yaml SCRIPT`, or run there with RAY_ADDRESS=auto"
        )
    address = address_of_this_node() if given == "auto" else given
    if address is None:
        raise ValueError(f"RAY_ADDRESS is 'auto', but no `ray start` has run on this machine; {REMEDY}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"RAY_ADDRESS is {address!r}; give host:port, 'auto' or 'local', or unset it")
    return address


def source_address(address: str) -> str:
    """This machine's address in the network of the cluster's head.

    Raises ValueError when nothing listens at `address`.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise ValueError(f"the Ray cluster at {address} does not answer ({error}); {REMEDY}") from error


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """A live node, and what it offers to Ray."""

    address: str
    cpus: float
    gpus: float
    memory_gib: float


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """A running cluster, as it describes itself without being joined."""

    address: str
    ray_version: str
    python_version: str
    nodes: tuple[ClusterNode, ...]


def find_cluster(address: str) -> RayCluster:
    """Ask a cluster's head for its versions and nodes, in a second at most; `ray.init` would try for twenty.

    Raises ValueError when nothing answers, or when our token is not accepted.
    """
    source_address(address)
    try:
        versions, nodes = ask_head(address)
    except ray.exceptions.AuthenticationError as error:
        raise ValueError(
            f"the Ray cluster at {address} does not accept our token; set RAY_AUTH_MODE=token and put the "
            "cluster's token into ~/.ray/auth_token (RAY_AUTH_MODE=disabled where it has none)"
        ) from error
    except (ConnectionError, ray.exceptions.RpcError) as error:
        raise ValueError(f"what listens at {address} is no Ray cluster ({error}); {REMEDY}") from error
    return RayCluster(
        address=address,
        ray_version=versions["ray_version"],
        python_version=versions["python_version"],
        nodes=tuple(_node(node) for node in nodes if node.state == ALIVE),
    )


def _node(info: Any) -> ClusterNode:
    offered = info.resources_total
    return ClusterNode(
        address=info.node_manager_address,
        cpus=offered.get("CPU", 0.0),
        gpus=offered.get("GPU", 0.0),
        memory_gib=offered.get("memory", 0.0) / GIB,
    )


def check_versions(cluster: RayCluster) -> None:
    """Raise ValueError when the cluster runs another Ray or Python than this process."""
    ours = (ray.__version__, platform.python_version())
    if (cluster.ray_version, cluster.python_version) != ours:
        raise ValueError(
            f"the Ray cluster at {cluster.address} runs Ray {cluster.ray_version} on Python "
            f"{cluster.python_version}, here are Ray {ours[0]} and Python {ours[1]}; install the same "
            "on both (constraints.txt), or unset RAY_ADDRESS to use a Ray of this machine alone"
        )
