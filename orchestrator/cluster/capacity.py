"""How many runs fit on this machine or cluster at once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import ray

from equipose.orchestrator.cluster.machine import GIB, Machine, this_machine

GIB_BESIDES = 1.55
"""Memory of what a job starts once, measured: driver 0.45, MLflow server 0.4, Ray's own processes 0.7."""
GIB_PER_RUN = 0.9
"""Memory of what Ray Train adds to a run's workers, measured: trial and controller 0.25 each, helpers 0.4.

The trial of a sweep, which holds its controller, takes half of that."""
GIB_PER_WORKER = 0.45
"""Memory of one training worker without its model and batches."""
SHARE_FOR_RUNS = 0.75
"""Of all memory; the rest is for data, caches and other programs."""
SHARE_OF_ALL = 0.9
"""Of all memory, for the whole job: Ray ends workers when 95 % is used."""
TRIAL_CPUS = 0.01
"""What Tune's own trial process reserves; Tune refuses zero."""
MOST = "EQUIPOSE_CONCURRENT"
"""Environment variable: at most this number of runs at once, whatever would fit."""
MIN_OBJECT_STORE_MB = 80
"""Ray refuses less than 75 MB."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one training run takes from the cluster."""

    workers: int = 1
    cpus_per_worker: float = 1.0
    gpu: bool = False
    max_failures: int = 3
    """How often a run whose worker died restarts from its newest checkpoint."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.cpus_per_worker <= 0:
            raise ValueError(f"cpus_per_worker must be positive, got {self.cpus_per_worker}")


def concurrent_runs(
    workers: int,
    *,
    gpu: bool,
    limit: int,
    cpus: float | None = None,
    memory_gib: float | None = None,
    gpus: float | None = None,
    worker_gib: float = GIB_PER_WORKER,
) -> tuple[int, Resources]:
    """Number of concurrent runs, and what each takes, such that none waits for ever.

    `cpus`, `memory_gib` and `gpus` default to the Ray cluster's, or, before Ray is up, to what this machine
    and its container allow. `worker_gib`: memory that a worker takes, see `gib_of_worker`. A run always fits:
    on a machine with fewer cores than workers, workers share cores. Only GPUs cannot be shared: raises
    ValueError where there are fewer than one run needs. The environment variable `EQUIPOSE_CONCURRENT` limits
    the number, e.g. after memory has run out.
    """
    cpus = cpus if cpus is not None else _cpus()
    memory_gib = memory_gib if memory_gib is not None else _memory_gib()
    for_runs = min(memory_gib * SHARE_FOR_RUNS, memory_gib * SHARE_OF_ALL - GIB_BESIDES)
    by_memory = int(for_runs / gib_of_run(workers, worker_gib))
    fitting = [limit, _most(), int(cpus // workers), by_memory]
    if gpu:
        fitting.append(_runs_on_gpus(workers, gpus if gpus is not None else _gpus()))
    concurrency = max(1, min(fitting))
    share = (cpus - TRIAL_CPUS * (concurrency + 1)) / (concurrency * workers)
    per_worker = max(0.01, min(1.0, int(share * 100) / 100))
    return concurrency, Resources(workers=workers, cpus_per_worker=per_worker, gpu=gpu)


def gib_of_run(workers: int, worker_gib: float = GIB_PER_WORKER) -> float:
    """Memory that one run takes, with everything that Ray Train starts for it; 0 without workers."""
    return GIB_PER_RUN + workers * worker_gib if workers else 0.0


def _most() -> int:
    """The limit that the user has set."""
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

    Where not even the smallest fits (Docker gives 64 MB), Ray uses a folder on disk instead.
    """
    if machine.shm_free_gib is None or machine.shm_free_gib * 1024 < MIN_OBJECT_STORE_MB / 0.9:
        return wanted
    return min(wanted, int(machine.shm_free_gib * 1024 * 0.9))


def _cpus() -> float:
    if ray.is_initialized():
        return float(ray.cluster_resources().get("CPU", 1))
    return max(1.0, this_machine().cpus)


def _gpus() -> float:
    """Infinite, that is unknown, before a cluster is joined."""
    if ray.is_initialized():
        return float(ray.cluster_resources().get("GPU", 0))
    return math.inf if os.environ.get("RAY_ADDRESS") else float(this_machine().gpus)


def _memory_gib() -> float:
    """Of all nodes; of a single node at most what its container allows, which Ray may not know."""
    mine = this_machine().memory_gib
    if not ray.is_initialized():
        return mine
    found = float(ray.cluster_resources().get("memory", 8 * GIB)) / GIB
    return min(found, mine) if sum(node["Alive"] for node in ray.nodes()) == 1 else found
