"""How many runs fit side by side on the machine or cluster at hand."""

from __future__ import annotations

import math
import os

import ray

from orchestrator.machine import GIB, Machine, this_machine
from orchestrator.resources import Resources

GIB_PER_WORKER = 1.25
"""Memory of one Train worker with its share of the controller, measured at 0.9 to 1.2 GiB plus data."""
GIB_BESIDES = 1.5
"""Memory of what runs once: Ray's head 0.5, the MLflow server 0.55, the driver 0.4, measured."""
SHARE_OF_MEMORY = 0.75
"""The rest is for data, caches and whatever else the machine does."""
TRIAL_CPUS = 0.01
"""What Tune's own trial process reserves; Tune refuses zero."""
MOST = "EQUIPOSE_CONCURRENT"
"""Environment variable: no more runs than this side by side, whatever would fit."""
MIN_OBJECT_STORE_MB = 80
"""Ray refuses less than 75 MB."""


def concurrent_runs(
    workers: int,
    *,
    gpu: bool,
    limit: int,
    cpus: float | None = None,
    memory_gib: float | None = None,
    gpus: float | None = None,
    gib_per_worker: float = GIB_PER_WORKER,
) -> tuple[int, Resources]:
    """Number of concurrent runs, and what each takes, so that none waits for ever.

    `cpus`, `memory_gib` and `gpus` default to the Ray cluster's, or to what this machine and its container
    allow before Ray is up. `gib_per_worker`: memory that one takes; more than the default where wide models
    train on large batches. A run always fits: on a machine with fewer cores than workers, workers share
    cores. Only GPUs cannot be shared: raises ValueError where there are fewer than one run needs. The
    environment variable `EQUIPOSE_CONCURRENT` limits the number, e.g. after memory has run out.
    """
    cpus = cpus if cpus is not None else _cpus()
    memory_gib = memory_gib if memory_gib is not None else _memory_gib()
    for_runs = min(memory_gib * SHARE_OF_MEMORY, memory_gib - GIB_BESIDES)
    by_memory = int(for_runs / (gib_per_worker * workers))
    fitting = [limit, _most(), int(cpus // workers), by_memory]
    if gpu:
        fitting.append(_runs_on_gpus(workers, gpus if gpus is not None else _gpus()))
    concurrency = max(1, min(fitting))
    share = (cpus - TRIAL_CPUS * (concurrency + 1)) / (concurrency * workers)
    per_worker = max(0.01, min(1.0, int(share * 100) / 100))
    return concurrency, Resources(workers=workers, cpus_per_worker=per_worker, gpu=gpu)


def _most() -> int:
    """What the user allows."""
    given = os.environ.get(MOST) or "1000000"
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"{MOST} is {given!r}; give the number of runs side by side, or unset it")
    return int(given)


def _runs_on_gpus(workers: int, gpus: float) -> int:
    if gpus < workers:
        raise ValueError(
            f"--gpu with --workers {workers} needs {workers} GPUs, there are {gpus:g}: it would wait for "
            "ever; take fewer workers, leave --gpu out, or (where a cluster starts nodes on demand) raise "
            "min_workers"
        )
    return 10**9 if math.isinf(gpus) else int(gpus // workers)


def object_store_mb(wanted: int, machine: Machine) -> int:
    """Size of Ray's object store that fits into /dev/shm.

    Where not even the smallest one does (Docker gives 64 MB), Ray is left to use a folder on disk instead.
    """
    if machine.shm_free_gib is None or machine.shm_free_gib * 1024 < MIN_OBJECT_STORE_MB / 0.9:
        return wanted
    return min(wanted, int(machine.shm_free_gib * 1024 * 0.9))


def _cpus() -> float:
    if ray.is_initialized():
        return float(ray.cluster_resources().get("CPU", 1))
    return max(1.0, this_machine().cpus)


def _gpus() -> float:
    """Unknown, so any number, while the cluster to be joined has not been asked yet."""
    if ray.is_initialized():
        return float(ray.cluster_resources().get("GPU", 0))
    return math.inf if os.environ.get("RAY_ADDRESS") else float(this_machine().gpus)


def _memory_gib() -> float:
    """Of all nodes; of one alone not more than its container allows, which Ray may not have seen."""
    mine = this_machine().memory_gib
    if not ray.is_initialized():
        return mine
    found = float(ray.cluster_resources().get("memory", 8 * GIB)) / GIB
    return min(found, mine) if sum(node["Alive"] for node in ray.nodes()) == 1 else found
