"""How many runs fit side by side on the machine or cluster at hand."""

from __future__ import annotations

import os

import ray

from orchestrator.runs import Resources

GIB_PER_WORKER = 1.25
"""Memory of one Train worker with its share of the controller, measured at 0.9 to 1.2 GiB plus data."""
TRIAL_CPUS = 0.01
"""What Tune's own trial process reserves; Tune refuses zero."""


def concurrent_runs(
    workers: int, *, gpu: bool, limit: int, cpus: float | None = None, memory_gib: float | None = None
) -> tuple[int, Resources]:
    """Number of concurrent runs, and what each takes, so that none waits for ever.

    `cpus` and `memory_gib` default to the Ray cluster's, or to this machine's before Ray is up. A run
    always fits: on a machine with fewer cores than workers, workers share cores.
    """
    cpus = cpus if cpus is not None else _cpus()
    memory_gib = memory_gib if memory_gib is not None else _memory_gib()
    by_memory = int(memory_gib * 0.75 / (GIB_PER_WORKER * workers))
    concurrency = max(1, min(limit, int(cpus // workers), by_memory))
    share = (cpus - TRIAL_CPUS * (concurrency + 1)) / (concurrency * workers)
    per_worker = max(0.01, min(1.0, int(share * 100) / 100))
    return concurrency, Resources(workers=workers, cpus_per_worker=per_worker, gpu=gpu)


def _cpus() -> float:
    if ray.is_initialized():
        return float(ray.cluster_resources().get("CPU", 1))
    return float(len(os.sched_getaffinity(0)))


def _memory_gib() -> float:
    if ray.is_initialized():
        return float(ray.cluster_resources().get("memory", 2**33)) / 2**30
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
