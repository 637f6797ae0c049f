"""Every status of the doctor's checks, and that what it calls possible is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.cluster.capacity import concurrent_runs
from equipose.orchestrator.cluster.machine import Machine
from equipose.orchestrator.cluster.ray_cluster import ClusterNode
from equipose.orchestrator.cluster.temp_folder import TempFolder
from equipose.orchestrator.doctor import checks as doctor
from equipose.orchestrator.doctor.checks import Check, Wanted


def machine(**fields: Any) -> Machine:
    """Two cores and 4 GiB, nothing of it in use."""
    return Machine(**{"cpus": 2, "memory_gib": 4, "memory_free_gib": 4, "shm_free_gib": 1, **fields})


def node(**fields: Any) -> ClusterNode:
    """Eight cores without a GPU."""
    return ClusterNode(**{"address": "10.0.0.1", "cpus": 8, "gpus": 0, "memory_gib": 32, **fields})


LONG = f"/{'x' * 49}"


def temp(given: str, used: str | None) -> TempFolder:
    """A folder that TMPDIR names, and the one that Ray uses."""
    return TempFolder(given=Path(given), variable="TMPDIR", used=Path(used) if used else None, limit=107)


CASES: list[tuple[Check, str, str]] = [
    (doctor.check_cpus(2, Wanted(workers=2)), "ok", "2 cores for 2 workers"),
    (doctor.check_cpus(2, Wanted(workers=4)), "warning", "--workers 2"),
    (doctor.check_gpus(0, Wanted()), "ok", "0"),
    (doctor.check_gpus(2, Wanted()), "ok", "not used without --gpu"),
    (doctor.check_gpus(2, Wanted(workers=2, gpu=True)), "ok", "2"),
    (doctor.check_gpus(1, Wanted(workers=2, gpu=True)), "problem", "wait forever"),
    (doctor.check_memory(machine(), Wanted(workers=2)), "ok", "takes about 3.4"),
    (doctor.check_memory(machine(memory_free_gib=1), Wanted()), "warning", "1.0 free"),
    (doctor.check_memory(machine(memory_gib=1.9), Wanted()), "problem", "takes about 2.9; use smaller"),
    (doctor.check_memory(machine(), Wanted(worker_gib=20)), "problem", "takes about 22.4; use smaller"),
    (doctor.check_memory(machine(), Wanted(workers=0)), "ok", "takes about 1.6"),
    (doctor.check_shared_memory(machine(), 256), "ok", "1024 MB"),
    (doctor.check_shared_memory(machine(shm_free_gib=None), 256), "ok", "not on this system"),
    (doctor.check_shared_memory(machine(shm_free_gib=0.2), 256), "warning", "it is reduced to 184 MB"),
    (doctor.check_shared_memory(machine(shm_free_gib=0.0625), 256), "warning", "on disk, slowly"),
    (doctor.check_batch(192, Wanted(workers=3)), "ok", "192 rows for 3 workers"),
    (doctor.check_batch(32, Wanted(workers=3)), "problem", "use --workers 2, or --override data.batch.batch"),
    (doctor.check_batch(32, Wanted(workers=3)), "problem", "batch_size=33"),
    (doctor.check_temp_folder(temp("/tmp", "/tmp")), "ok", "/tmp: sockets of 79 bytes, 107 are allowed"),
    (doctor.check_temp_folder(temp(LONG, "/tmp")), "warning", f"TMPDIR is {LONG}: sockets of 125 bytes"),
    (doctor.check_temp_folder(temp(LONG, "/tmp")), "warning", "Ray uses /tmp; set RAY_TMPDIR to a folder"),
    (doctor.check_temp_folder(temp(LONG, None)), "problem", "whose path has at most 32 bytes"),
    (doctor.check_home("/h", writable=True, needed=True), "ok", "/h"),
    (doctor.check_home("/h", writable=False, needed=False), "ok", "/h, not needed"),
    (doctor.check_home("/h", writable=False, needed=True), "problem", "HOME is /h, where Ray cannot write"),
    (doctor.check_disk(10, "out", writable=True), "ok", "10.0 GiB free at out"),
    (doctor.check_disk(1, "out", writable=True), "warning", "free some space"),
    (doctor.check_disk(0.1, "out", writable=True), "problem", "free some space"),
    (doctor.check_disk(10, "out", writable=False), "problem", "is not writable"),
    (doctor.check_open_files(1024), "warning", "ulimit -n 4096"),
    (doctor.check_open_files(65536), "ok", "65536"),
    (doctor.check_shared_folder((node(),), "/out", "ext4"), "ok", "ext4"),
    (doctor.check_shared_folder((node(), node()), "/out", "nfs4"), "ok", "nfs4"),
    (doctor.check_shared_folder((node(), node()), "/out", "ext4"), "warning", "all nodes see"),
    (doctor.check_token(None, present=False, private=True, joining=False), "ok", "created on first use"),
    (doctor.check_token("token", present=True, private=True, joining=True), "ok", "present"),
    (doctor.check_token("token", present=False, private=True, joining=True), "problem", "copy the cluster's"),
    (doctor.check_token(None, present=True, private=True, joining=True), "warning", "RAY_AUTH_MODE=token"),
    (doctor.check_token("disabled", present=True, private=True, joining=False), "warning", "run programs"),
    (doctor.check_token("token", present=True, private=False, joining=False), "warning", "chmod 600"),
]


@pytest.mark.parametrize(("check", "status", "words"), CASES)
def test_statuses(check: Check, status: str, words: str) -> None:
    assert check.status == status
    assert words in str(check)
    assert bool(check.remedy) == (status != "ok"), "a remedy where there is something to do, only there"


def test_a_cluster_is_the_sum_of_its_nodes() -> None:
    cpus, gpus = doctor.check_nodes((node(), node(gpus=2)), Wanted(workers=2, gpu=True))
    assert (cpus.status, gpus.status) == ("ok", "ok")
    assert "16 cores" in cpus.found


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize(("cpus", "memory"), [(2, 4), (1, 2), (4, 8), (64, 256)])
def test_what_is_planned_passes_the_checks(cpus: int, memory: int, workers: int) -> None:
    runs, taken = concurrent_runs(workers, gpu=False, limit=100, cpus=cpus, memory_gib=memory)
    assert taken.workers == workers
    together = Wanted(workers=runs * workers)
    if runs > 1:
        here = machine(cpus=cpus, memory_gib=memory, memory_free_gib=memory)
        assert doctor.check_cpus(cpus, together).status == "ok"
        assert doctor.check_memory(here, together).status == "ok"
