"""The Ray cluster that a job is told to join: where it is, whether it answers, and who runs it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import ray

CONNECT_SECONDS = 5.0
REMEDY = (
    "start the cluster (`ray up cluster.yaml`, or `ray start --head`), correct RAY_ADDRESS, "
    "or unset it to use a Ray of this machine alone"
)


def cluster_address(given: str) -> str | None:
    """`host:port` that a value of RAY_ADDRESS stands for; None for `local`, a Ray of one's own.

    `auto` is the cluster of the last `ray start` on this machine. Ray itself would also take any other Ray
    that happens to run here, such as another user's sweep. Raises ValueError with a remedy.
    """
    if given == "local":
        return None
    if given.startswith("ray://"):
        raise ValueError(
            f"RAY_ADDRESS is {given!r}, but training needs a driver on a node of the cluster, not a Ray "
            "client; use `ray submit cluster.yaml SCRIPT`, or run there with RAY_ADDRESS=auto"
        )
    address = _of_this_node() if given == "auto" else given
    if address is None:
        raise ValueError(f"RAY_ADDRESS is 'auto', but no `ray start` has run on this machine; {REMEDY}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"RAY_ADDRESS is {address!r}; give host:port, 'auto' or 'local', or unset it")
    return address


def _of_this_node() -> str | None:
    """What `ray start` has noted on this machine."""
    from ray._private.utils import read_ray_address

    found = read_ray_address()
    return str(found) if found else None


def source_address(address: str) -> str:
    """The address of this machine that the cluster's head, and so its network, knows it by.

    Raises ValueError when nothing listens at `address`.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise ValueError(f"the Ray cluster at {address} does not answer ({error}); {REMEDY}") from error


@contextlib.contextmanager
def joined(address: str) -> Iterator[None]:
    """Around `ray.init`: its ways to fail as one ValueError that says what to do."""
    source_address(address)
    try:
        yield
    except ray.exceptions.AuthenticationError as error:
        raise ValueError(
            f"the Ray cluster at {address} does not accept our token; set RAY_AUTH_MODE=token and put the "
            "cluster's token into ~/.ray/auth_token (RAY_AUTH_MODE=disabled where it has none)"
        ) from error
    except ConnectionError as error:
        raise ValueError(f"the Ray cluster at {address} cannot be joined ({error}); {REMEDY}") from error
    except RuntimeError as error:
        if "mismatch" not in str(error):
            raise
        versions = " ".join(str(error).split())
        raise ValueError(
            f"the Ray cluster at {address} runs other versions ({versions}); "
            "install the cluster's versions here or ours there, or unset RAY_ADDRESS"
        ) from error
