"""Runs side by side never ask for more than there is."""

from __future__ import annotations

import pytest

from orchestrator.planning import TRIAL_CPUS, concurrent_runs


@pytest.mark.parametrize(
    ("cpus", "memory", "workers", "limit", "expected"),
    [
        (2, 24, 1, 10, 2),
        (2, 4, 1, 10, 2),
        (2, 2, 1, 10, 1),
        (2, 24, 2, 10, 1),
        (1, 24, 4, 10, 1),
        (64, 256, 2, 10, 10),
        (64, 256, 4, 100, 16),
    ],
)
def test_concurrency_follows_cores_memory_and_limit(
    cpus: float, memory: float, workers: int, limit: int, expected: int
) -> None:
    concurrency, resources = concurrent_runs(workers, gpu=False, limit=limit, cpus=cpus, memory_gib=memory)
    assert concurrency == expected
    reserved = concurrency * (workers * resources.cpus_per_worker + TRIAL_CPUS)
    assert reserved <= cpus
