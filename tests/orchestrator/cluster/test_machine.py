"""The limits of a container or batch job count, in both versions of Linux's control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from equipose.orchestrator.cluster.machine import (
    GIB,
    allowed_cores,
    can_write,
    free_gib,
    memory_limits,
    this_machine,
    usable_cpus,
)


def write(root: Path, files: dict[str, str]) -> None:
    """Files under a fake /sys/fs/cgroup, and the process's own `cgroup` file."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


TWO = {
    "own": "0::/job/step\n",
    "job/step/memory.max": "max\n",
    "job/memory.max": f"{4 * GIB}\n",
    "job/memory.current": f"{2 * GIB}\n",
    "job/memory.stat": f"anon 5\ninactive_file {GIB // 4}\nactive_file {GIB // 4}\n",
    "job/step/cpu.max": "150000 100000\n",
}
ONE = {
    "own": "9:name=systemd:/x\n5:memory:/job\n3:cpu,cpuacct:/job\n",
    "memory/job/memory.limit_in_bytes": f"{4 * GIB}\n",
    "memory/job/memory.usage_in_bytes": f"{2 * GIB}\n",
    "memory/job/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}\ntotal_active_file 0\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cpu/job/cpu.cfs_quota_us": "150000\n",
    "cpu/job/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize("files", [TWO, ONE], ids=["version 2", "version 1"])
def test_limits_of_control_groups(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert memory_limits(tmp_path, tmp_path / "own") == [(4 * GIB, GIB + GIB // 2)]
    cores = len(os.sched_getaffinity(0))
    assert usable_cpus(tmp_path, tmp_path / "own") == min(cores, 1.5)


def test_the_host_s_path_inside_a_container(tmp_path: Path) -> None:
    write(tmp_path, {"own": "0::/docker/abc\n", "memory.max": f"{GIB}\n", "memory.current": "0\n"})
    assert memory_limits(tmp_path, tmp_path / "own") == [(GIB, 0)]


@pytest.mark.parametrize(
    "files", [{}, {"own": "0::/\n"}, {"own": "0::/\n", "memory.max": "max\n", "cpu.max": "max 100000\n"}]
)
def test_without_limits_there_are_none(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert memory_limits(tmp_path, tmp_path / "own") == []
    assert usable_cpus(tmp_path, tmp_path / "own") == len(os.sched_getaffinity(0))


def test_this_machine_is_possible() -> None:
    machine = this_machine()
    assert 0 < machine.cpus <= (os.cpu_count() or 1)
    assert 0 < machine.memory_free_gib <= machine.memory_gib


def test_systems_without_an_affinity_mask_have_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert allowed_cores() == os.cpu_count()


def test_folders_that_can_be_written_or_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert can_write(tmp_path)
    assert can_write(tmp_path / "new" / "folder")
    assert not can_write(tmp_path / "file")
    assert not can_write(tmp_path / "file" / "below")


def test_free_space_is_asked_where_a_folder_will_be(tmp_path: Path) -> None:
    assert free_gib(tmp_path / "not" / "yet") == pytest.approx(free_gib(tmp_path), rel=0.1)
