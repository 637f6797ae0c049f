"""Runs side by side never ask for more than there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.experiments.presets.sizes import PRESETS
from equipose.models.build import PRESETS as PRESETS_OF_MODELS
from equipose.orchestrator.cluster.capacity import (
    GIB_BESIDES,
    TRIAL_CPUS,
    concurrent_runs,
    gib_of_run,
    object_store_mb,
)
from equipose.orchestrator.cluster.machine import Machine
from equipose.orchestrator.ray_train.sizing import WIDTHS, gib_of_worker
from equipose.orchestrator.training.config import TrainConfig


@pytest.mark.parametrize(
    ("cpus", "memory", "workers", "limit", "expected"),
    [
        (2, 24, 1, 10, 2),
        (2, 8, 1, 10, 2),
        (2, 4, 1, 10, 1),
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
    assert concurrency == 1 or concurrency * gib_of_run(workers) + GIB_BESIDES <= 0.9 * memory


def test_large_runs_follow_one_another() -> None:
    paper = PRESETS["paper"].train_config("store", "P1", "S1", 0)
    assert 18 < gib_of_worker(paper, gpu=False) < 22, "measured: about 20 with batches of 192"
    assert gib_of_worker(paper, gpu=True) < 1, "the GPU has weights and batches"
    small = replace(paper, data=replace(paper.data, batch=replace(paper.data.batch, batch_size=16)))

    def fitting(config: TrainConfig, memory_gib: float) -> int:
        worker_gib = gib_of_worker(config, gpu=False)
        return concurrent_runs(
            1, gpu=False, limit=100, cpus=16, memory_gib=memory_gib, worker_gib=worker_gib
        )[0]

    assert [fitting(paper, memory_gib) for memory_gib in (16, 24, 64, 128)] == [1, 1, 2, 4]
    assert [fitting(small, memory_gib) for memory_gib in (16, 24, 64, 128)] == [1, 2, 7, 15]


def test_every_preset_of_a_model_has_its_memory() -> None:
    assert set(WIDTHS) == set(PRESETS_OF_MODELS)


@pytest.mark.parametrize(("gpus", "workers", "expected"), [(8, 2, 4), (3, 2, 1), (4, 1, 4)])
def test_runs_on_gpus_have_one_each(gpus: float, workers: int, expected: int) -> None:
    fits = concurrent_runs(workers, gpu=True, limit=100, cpus=64, memory_gib=512, gpus=gpus)
    assert fits[0] == expected


def test_too_few_gpus_are_refused_before_anything_waits() -> None:
    with pytest.raises(ValueError, match="--workers 2 needs 2 GPUs, there are 1: it would wait for ever"):
        concurrent_runs(2, gpu=True, limit=1, cpus=8, memory_gib=64, gpus=1)


@pytest.mark.parametrize(("free_mb", "expected"), [(10_000, 256), (200, 180), (64, 256), (None, 256)])
def test_the_object_store_fits_shared_memory(free_mb: float | None, expected: int) -> None:
    shm = None if free_mb is None else free_mb / 1024
    machine = Machine(cpus=2, memory_gib=4, memory_free_gib=3, shm_free_gib=shm)
    assert object_store_mb(256, machine) == expected


def test_the_user_limits_what_runs_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs() -> int:
        return concurrent_runs(1, gpu=False, limit=100, cpus=8, memory_gib=64)[0]

    assert runs() == 8
    monkeypatch.setenv("EQUIPOSE_CONCURRENT", "3")
    assert runs() == 3
    for wrong in ("0", "-1", "many"):
        monkeypatch.setenv("EQUIPOSE_CONCURRENT", wrong)
        with pytest.raises(ValueError, match=f"EQUIPOSE_CONCURRENT is '{wrong}'; give the number"):
            runs()
