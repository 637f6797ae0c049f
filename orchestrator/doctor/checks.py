"""Checks of what would hang, fail or run out. Pure functions: facts in, checks with a status out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from equipose.models.build import ModelConfig
from equipose.orchestrator.cluster.capacity import GIB_BESIDES, GIB_PER_WORKER, gib_of_run, object_store_mb
from equipose.orchestrator.cluster.machine import Machine
from equipose.orchestrator.cluster.ray_cluster import ClusterNode
from equipose.orchestrator.cluster.temp_folder import TempFolder

Status = Literal["ok", "warning", "problem"]

SURELY_TOO_LITTLE = 0.8
"""Share of the memory that a run is expected to take; with less the system would kill it."""
DISK_GIB = 2.0
"""Space for a sweep of a small model with its store; checkpoints of large models take more."""
OPEN_FILES = 4096
SHARED_FILESYSTEMS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "gluster", "fuse", "9p")
"""Prefixes of the names of file systems that several machines can share; others, such as virtiofs, warn."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check."""

    name: str
    status: Status
    found: str
    remedy: str = ""
    """What to do; empty if the status is ok."""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a job needs."""

    workers: int = 1
    gpu: bool = False
    worker_gib: float = GIB_PER_WORKER
    """Memory that a worker takes, see `ray_train.sizing.gib_of_worker`."""
    sensors: tuple[str, ...] = field(default_factory=lambda: ModelConfig().modalities)
    """What its models take in; all of them must be in the store."""

    batch_size: int | None = None
    """Rows of a global batch, which the workers share; None where no run is planned."""

    @property
    def counted(self) -> str:
        """`1 worker`, `2 workers`."""
        return f"{self.workers} {'worker' if self.workers == 1 else 'workers'}"


def check_cpus(cpus: float, wanted: Wanted) -> Check:
    """With too few cores a job is slow but not stuck: reservations are scaled down to the cores there are."""
    found = f"{cpus:g} cores for {wanted.counted}"
    if cpus >= wanted.workers:
        return Check(name="CPUs", status="ok", found=found)
    return Check(
        name="CPUs",
        status="warning",
        found=f"{found}, which would share them",
        remedy=f"--workers {max(1, int(cpus))} trains as fast",
    )


def check_gpus(gpus: float, wanted: Wanted) -> Check:
    """A worker that waits for a GPU that does not exist waits forever."""
    found = f"{gpus:g}" + ("" if wanted.gpu or not gpus else ", not used without --gpu")
    if not wanted.gpu or gpus >= wanted.workers:
        return Check(name="GPUs", status="ok", found=found)
    return Check(
        name="GPUs",
        status="problem",
        found=f"{gpus:g} for {wanted.counted} with one each: the job would wait forever",
        remedy="use fewer --workers, or leave out --gpu",
    )


def check_batch(batch_size: int, wanted: Wanted) -> Check:
    """Every worker takes an equal share of a batch; otherwise each would raise the same error."""
    workers = wanted.workers
    if batch_size % workers == 0:
        return Check(name="batch", status="ok", found=f"{batch_size} rows for {wanted.counted}")
    fits = max(count for count in range(1, workers) if batch_size % count == 0)
    rows = batch_size + workers - batch_size % workers
    return Check(
        name="batch",
        status="problem",
        found=f"data.batch.batch_size is {batch_size}, which {wanted.counted} cannot share equally",
        remedy=f"use --workers {fits}, or --override data.batch.batch_size={rows}",
    )


def check_memory(machine: Machine, wanted: Wanted) -> Check:
    """Memory for one run and its driver; `capacity.concurrent_runs` decides how many fit side by side."""
    needed = GIB_BESIDES + gib_of_run(wanted.workers, wanted.worker_gib)
    have = f"{machine.memory_gib:.1f} GiB, {machine.memory_free_gib:.1f} free"
    found = f"{have}; one run takes about {needed:.1f}"
    if machine.memory_gib < SURELY_TOO_LITTLE * needed:
        remedy = "use smaller batches (--override data.batch.batch_size=16), fewer --workers, or more memory"
        return Check(name="memory", status="problem", found=found, remedy=remedy)
    if machine.memory_free_gib < needed:
        remedy = "close other programs, or use smaller batches; Ray kills workers when 95% is used"
        return Check(name="memory", status="warning", found=found, remedy=remedy)
    return Check(name="memory", status="ok", found=found)


def check_shared_memory(machine: Machine, wanted_mb: int) -> Check:
    """Ray keeps its objects in /dev/shm; if that is too small they go to disk."""
    if machine.shm_free_gib is None:
        return Check(name="/dev/shm", status="ok", found="not on this system")
    found = f"{machine.shm_free_gib * 1024:.0f} MB free for an object store of {wanted_mb} MB"
    fitting = object_store_mb(wanted_mb, machine)
    if machine.shm_free_gib * 1024 >= wanted_mb:
        return Check(name="/dev/shm", status="ok", found=found)
    cut = f"it is reduced to {fitting} MB" if fitting < wanted_mb else "Ray will use a folder on disk, slowly"
    return Check(
        name="/dev/shm",
        status="warning",
        found=f"{found}: {cut}",
        remedy="delete old files there, or give the container more (docker run --shm-size=1g)",
    )


def check_temp_folder(temp: TempFolder) -> Check:
    """Ray cannot start where the paths of its sockets are too long."""
    if not temp.moved:
        found = f"{temp.given}: sockets of {temp.longest} bytes, {temp.limit} are allowed"
        return Check(name="Ray's folder", status="ok", found=found)
    found = f"{temp.variable} is {temp.given}: sockets of {temp.longest} bytes, {temp.limit} are allowed"
    return Check(
        name="Ray's folder",
        status="warning" if temp.used else "problem",
        found=f"{found}; Ray uses {temp.used}" if temp.used else found,
        remedy=f"set RAY_TMPDIR to a folder whose path has at most {temp.room} bytes",
    )


def check_home(home: str, *, writable: bool, needed: bool) -> Check:
    """Ray writes its token below the home folder before it starts."""
    if writable or not needed:
        return Check(name="home", status="ok", found=home if writable else f"{home}, not needed")
    return Check(
        name="home",
        status="problem",
        found=f"HOME is {home}, where Ray cannot write its token (.ray/auth_token)",
        remedy="set HOME to a folder that you can write to",
    )


def check_disk(free_gib: float | None, folder: str, *, writable: bool) -> Check:
    """Space for stores, checkpoints and records."""
    if not writable:
        remedy = "give --out a folder that you can write to"
        return Check(name="disk", status="problem", found=f"{folder} is not writable", remedy=remedy)
    free = free_gib if free_gib is not None else math.inf
    found = f"{free:.1f} GiB free at {folder}"
    if free >= DISK_GIB:
        return Check(name="disk", status="ok", found=found)
    return Check(
        name="disk",
        status="problem" if free < DISK_GIB / 8 else "warning",
        found=f"{found}, a small sweep takes up to {DISK_GIB:g}",
        remedy="free some space, or give --out a folder with more",
    )


def check_open_files(limit: int) -> Check:
    """Ray opens a connection for every process and node."""
    if limit >= OPEN_FILES:
        return Check(name="open files", status="ok", found=f"{limit} allowed")
    remedy = f"ulimit -n {OPEN_FILES} before starting"
    return Check(name="open files", status="warning", found=f"only {limit} allowed", remedy=remedy)


def check_nodes(nodes: tuple[ClusterNode, ...], wanted: Wanted) -> list[Check]:
    """CPUs and GPUs of a cluster, by which jobs are sized when they start."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return [check_cpus(cpus, wanted), check_gpus(gpus, wanted)]


def check_shared_folder(nodes: tuple[ClusterNode, ...], folder: str, filesystem: str) -> Check:
    """Workers on several nodes share one folder for checkpoints and stores."""
    found = f"{folder} is on {filesystem}"
    if len(nodes) < 2 or filesystem.startswith(SHARED_FILESYSTEMS):
        return Check(name="shared folder", status="ok", found=found)
    return Check(
        name="shared folder",
        status="warning",
        found=f"{found}, and the cluster has {len(nodes)} nodes",
        remedy="give --out (or EQUIPOSE_OUT) a folder that all nodes see; runs fail on nodes that do not",
    )


def check_token(mode: str | None, *, present: bool, private: bool, joining: bool) -> Check:
    """Running code here must require a token. `mode`: RAY_AUTH_MODE; unset, only a local Ray requires one."""
    if mode == "disabled" or (joining and mode is None):
        return Check(
            name="Ray token",
            status="warning",
            found="not required" if mode else "not required by clusters unless RAY_AUTH_MODE is set",
            remedy="anyone who reaches Ray's ports can run programs; set RAY_AUTH_MODE=token on every node",
        )
    if joining and not present:
        remedy = "copy the cluster's ~/.ray/auth_token here"
        return Check(name="Ray token", status="problem", found="none for joining the cluster", remedy=remedy)
    if present and not private:
        remedy = "chmod 600 ~/.ray/auth_token"
        return Check(name="Ray token", status="warning", found="readable by others", remedy=remedy)
    return Check(name="Ray token", status="ok", found="present" if present else "created on first use")
