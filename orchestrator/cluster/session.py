"""Ray for a job: join a running cluster, or start a small local one and stop it afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import ray

from equipose.orchestrator.cluster.capacity import object_store_mb
from equipose.orchestrator.cluster.local_ray import clear_dead_listeners, start_local_ray
from equipose.orchestrator.cluster.machine import allowed_cores, this_machine
from equipose.orchestrator.cluster.ray_cluster import (
    check_versions,
    cluster_address,
    find_cluster,
    source_address,
)
from equipose.orchestrator.cluster.temp_folder import python_temp_folder
from equipose.orchestrator.host import LOOPBACK

QUIET = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": "3",
}
"""Environment of the driver and its workers: poll fast enough that short epochs are not reported two
seconds apart, keep the console for our own progress, let Ctrl-C reach our code instead of ending a sweep
as if it had finished, wait for a stopped trial to end before its process takes the next, and give up tasks
that run out of memory again and again, which Ray would otherwise restart for ever."""


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """How to reach Ray."""

    address: str | None = None
    """Of a running cluster; None joins the one of `RAY_ADDRESS` or, without that, starts a local one.

    Nothing else counts, so that a job never lands in a Ray that happens to run on the machine. `auto` is the
    cluster that `ray start` (and so `ray up`) made this machine a node of.
    """
    num_cpus: int | None = None
    """Of a local cluster; None: the cores that this process may use."""
    object_store_mb: int = 256
    """Of a local cluster; less where /dev/shm is smaller."""

    def __post_init__(self) -> None:
        if self.num_cpus is not None and self.num_cpus < 1:
            raise ValueError(f"num_cpus must be at least 1, got {self.num_cpus}")
        if self.object_store_mb < 80:
            raise ValueError(f"object_store_mb must be at least 80, got {self.object_store_mb}")


def address_to_join(config: SessionConfig | None = None) -> str | None:
    """`host:port` of the cluster that a session would join; None where it starts its own Ray.

    Raises ValueError for an address that cannot be used.
    """
    given = (config.address if config else None) or os.environ.get("RAY_ADDRESS")
    return cluster_address(given) if given else None


def tracking_host(config: SessionConfig | None = None) -> str:
    """Address for this job's tracking server: loopback, or one that all nodes of the cluster reach."""
    address = address_to_join(config)
    return source_address(address) if address else LOOPBACK


@contextlib.contextmanager
def ray_session(config: SessionConfig | None = None) -> Iterator[None]:
    """Ray for the duration of a block, which stops it only if it has started it.

    Raises ValueError when the cluster to join does not answer, or runs other versions.
    """
    config = config or SessionConfig()
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    if ray.is_initialized():
        yield
        return
    address = address_to_join(config)
    if address:
        environment = {"env_vars": {key: os.environ[key] for key in QUIET}}
        check_versions(find_cluster(address))
        ray.init(address=address, runtime_env=environment, log_to_driver=False)
    else:
        start_local_ray(
            num_cpus=config.num_cpus or allowed_cores(),
            object_store_memory=object_store_mb(config.object_store_mb, this_machine()) * 2**20,
            include_dashboard=True,
            dashboard_host=LOOPBACK,
            log_to_driver=False,
            logging_level="ERROR",
        )
    try:
        yield
    finally:
        ray.shutdown()
        clear_dead_listeners(python_temp_folder())
