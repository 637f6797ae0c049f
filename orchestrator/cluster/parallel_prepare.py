"""Preparing a store on Ray: sequences are read in parallel where that pays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

from equipose.orchestrator.cluster.local_ray import start_local_ray
from equipose.pipelines.prepare import Job, Runner, one_by_one, prepare_sequence
from equipose.pipelines.store import SequenceKey

RAY_FROM = {"running": 16, "stopped": 128}
"""Number of sequences from which Ray pays: where it is running, and where it has to be started, which takes
as long as reading dozens."""

RAY_MEMORY = 256 * 2**20
"""Bytes of Ray's object store when it is started here; only keys travel through it."""


def side_by_side(processes: int | None = None) -> Runner:
    """A `Runner` for `pipelines.prepare.prepare` that reads `processes` sequences at a time on Ray.

    None: as many as there are CPUs, if there are enough sequences (`RAY_FROM`). A number always
    holds. On a cluster, the source's root and the store must be on a file system that all nodes see.
    """

    def run(job: Job, keys: list[SequenceKey]) -> Iterator[tuple[SequenceKey, int]]:
        pays = _pays(len(keys)) if processes is None else processes > 1
        if len(keys) > 1 and pays:
            return _run_on_ray(job, keys, processes or 0)
        return one_by_one(job, keys)

    return run


def _pays(sequences: int) -> bool:
    ray = sys.modules.get("ray")
    return sequences >= RAY_FROM["running" if ray is not None and ray.is_initialized() else "stopped"]


def _run_on_ray(job: Job, keys: list[SequenceKey], processes: int) -> Iterator[tuple[SequenceKey, int]]:
    """On the running Ray, or on one that is started and stopped here; `processes` 0 means all CPUs."""
    import ray

    started = not ray.is_initialized()
    if started:
        start_local_ray(include_dashboard=False, log_to_driver=False, object_store_memory=RAY_MEMORY)
    width = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
    shared, task = ray.put(job), ray.remote(num_cpus=1)(prepare_sequence)
    waiting = iter(keys)
    running = {task.remote(shared, key): key for key in islice(waiting, width)}
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            frames = ray.get(done)
            running |= {task.remote(shared, key): key for key in islice(waiting, 1)}
            yield running.pop(done), frames
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    finally:
        # Not cancelled: Ray 2.60 ends the driver when a task completes while it is being cancelled.
        if started:
            ray.shutdown()
        elif running:
            ray.wait(list(running), num_returns=len(running))
