"""Collect the facts of this machine, its Ray and its tracking, and check them. Starts nothing."""

from __future__ import annotations

import os
import resource
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from equipose.orchestrator.cluster.capacity import Resources, concurrent_runs
from equipose.orchestrator.cluster.machine import (
    Machine,
    can_write,
    existing_folder,
    filesystem_of,
    free_gib,
    this_machine,
)
from equipose.orchestrator.cluster.ray_cluster import (
    ClusterNode,
    RayCluster,
    check_versions,
    cluster_address,
    find_cluster,
)
from equipose.orchestrator.cluster.session import SessionConfig, address_to_join
from equipose.orchestrator.cluster.temp_folder import temp_folder
from equipose.orchestrator.doctor import checks as doctor
from equipose.orchestrator.doctor.checks import Check, Wanted
from equipose.orchestrator.doctor.tracking import check_tracking
from equipose.orchestrator.host import LOOPBACK

if TYPE_CHECKING:
    from equipose.pipelines.store import Store

TESTED_RAY = "2.60"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The checks, and the resources that runs can share."""

    checks: tuple[Check, ...]
    cpus: float
    memory_gib: float
    gpus: float

    @property
    def problems(self) -> list[Check]:
        """The checks that would keep a job from working."""
        return [check for check in self.checks if check.status == "problem"]

    def fitting(self, wanted: Wanted, limit: int = 10_000) -> tuple[int, Resources]:
        """Number of runs at a time, and what each takes. Raises ValueError if not even one fits."""
        return concurrent_runs(
            wanted.workers,
            gpu=wanted.gpu,
            limit=limit,
            worker_gib=wanted.worker_gib,
            cpus=self.cpus,
            memory_gib=self.memory_gib,
            gpus=self.gpus,
        )


def examine(out: Path, wanted: Wanted, store: str | None = None) -> Examination:
    """Check everything a job needs, in a second or two. `out`: results folder; `store`: its data, if any."""
    machine = this_machine()
    cluster, about_ray = _ray_checks()
    nodes = cluster.nodes if cluster else (_as_node(machine),)
    checks = [
        *doctor.check_nodes(nodes, wanted),
        *([doctor.check_batch(wanted.batch_size, wanted)] if wanted.batch_size else []),
        doctor.check_memory(machine, wanted if cluster is None else Wanted(workers=0)),
        doctor.check_shared_memory(machine, SessionConfig().object_store_mb),
        doctor.check_disk(free_gib(out), str(out), writable=os.access(existing_folder(out), os.W_OK)),
        doctor.check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *about_ray,
        check_tracking(out),
        check_ports(),
    ]
    if cluster is None:
        checks.append(doctor.check_temp_folder(temp_folder()))
    else:
        checks.append(doctor.check_shared_folder(nodes, str(out), filesystem_of(out)))
    if store:
        checks.append(check_store(store, wanted.sensors))
    return Examination(
        checks=tuple(checks),
        cpus=sum(node.cpus for node in nodes),
        memory_gib=sum(node.memory_gib for node in nodes),
        gpus=sum(node.gpus for node in nodes),
    )


def _as_node(machine: Machine) -> ClusterNode:
    """This machine, as the one node of the Ray that a job would start."""
    return ClusterNode(address=LOOPBACK, cpus=machine.cpus, gpus=machine.gpus, memory_gib=machine.memory_gib)


def _ray_checks() -> tuple[RayCluster | None, list[Check]]:
    """The cluster that jobs will join, if any, and the checks of Ray."""
    version = ray.__version__
    if version.startswith(TESTED_RAY):
        release = Check(name="Ray", status="ok", found=version)
    else:
        remedy = "if it misbehaves: pip install -c constraints.txt ray"
        found = f"{version}, tested with {TESTED_RAY}"
        release = Check(name="Ray", status="warning", found=found, remedy=remedy)
    cluster, which = _cluster_check()
    joining = cluster is not None or which.status == "problem"
    return cluster, [release, which, _token_check(joining), _home_check(joining)]


def _cluster_check() -> tuple[RayCluster | None, Check]:
    try:
        address = address_to_join()
        if address is None:
            return None, Check(name="Ray cluster", status="ok", found=_own_ray())
        cluster = find_cluster(address)
        check_versions(cluster)
    except ValueError as error:
        return None, Check(name="Ray cluster", status="problem", found=str(error))
    size = f"{len(cluster.nodes)} nodes, {sum(node.cpus for node in cluster.nodes):g} CPUs"
    return cluster, Check(name="Ray cluster", status="ok", found=f"joins {address}: {size}")


def _own_ray() -> str:
    """What jobs do without RAY_ADDRESS, with a hint at a cluster that the user may have meant."""
    try:
        noted = cluster_address("auto")
    except ValueError:
        noted = None
    hint = f"; `ray start` has run here ({noted}): RAY_ADDRESS=auto joins it" if noted else ""
    return f"none; each job starts its own, on loopback{hint}"


def _token_check(joining: bool) -> Check:
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    inline = bool(os.environ.get("RAY_AUTH_TOKEN"))
    private = inline or not path.is_file() or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return doctor.check_token(
        os.environ.get("RAY_AUTH_MODE"), present=inline or path.is_file(), private=private, joining=joining
    )


def _home_check(joining: bool) -> Check:
    home = Path(os.path.expanduser("~"))  # "~" itself where nothing names one
    folder = home / ".ray"
    present = bool(os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"))
    present = present or (folder / "auth_token").is_file()
    needed = not (present or joining or os.environ.get("RAY_AUTH_MODE") == "disabled")
    return doctor.check_home(str(home), writable=home.is_absolute() and can_write(folder), needed=needed)


def check_ports() -> Check:
    """Ray and MLflow listen on free ports; some sandboxes allow none."""
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return Check(name="ports", status="ok", found="chosen by the system, on loopback")
    except OSError as error:
        remedy = "allow this program to listen on 127.0.0.1"
        return Check(name="ports", status="problem", found=f"none can be opened ({error})", remedy=remedy)


def check_store(path: str, sensors: tuple[str, ...]) -> Check:
    """Whether a store can be opened, what it holds, and whether it has every sensor that is wanted."""
    from equipose.pipelines.files.errors import DataError
    from equipose.pipelines.store import open_store

    try:
        store = open_store(path)
    except (DataError, OSError) as error:
        remedy = "prepare it (equipose prepare) or correct the path"
        return Check(name="store", status="problem", found=str(error), remedy=remedy)
    try:
        doubts = _doubts(store, sensors)
    except DataError as error:
        return Check(name="store", status="problem", found=str(error))
    if doubts:
        return Check(name="store", status="warning", found="; ".join(doubts))
    found = f"{len(store.keys)} sequences of {store.header['source']}, fingerprint {store.fingerprint[:16]}"
    return Check(name="store", status="ok", found=found)


def _doubts(store: Store, sensors: tuple[str, ...]) -> list[str]:
    """Sensors of which a large share is invalid; DataError for one that is invalid throughout."""
    from equipose.pipelines.sensor_validity import doubtful, invalid_shares, require_poses, require_sensors

    require_poses(store.index, store.defects, store.path)
    used = store.index.filter(store.index["valid_pose"])["row"].to_numpy()
    shares = invalid_shares(store.index, {"all frames with a pose": used})
    require_sensors(shares, sensors, store.defects, store.path)
    return doubtful(shares, sensors)
