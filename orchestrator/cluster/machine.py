"""What this process may use of the machine: the limits of its container count, not only the hardware."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
SHARED_MEMORY = Path("/dev/shm")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
UNLIMITED = 2**60
"""Limits from this number of bytes on mean none: version 1 of control groups writes one near 2^63."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a process may use of the machine it runs on."""

    cpus: float
    """Cores of its affinity mask, or fewer where a quota allows less time."""
    memory_gib: float
    """Of the machine, or of its control group."""
    memory_free_gib: float
    """What could be allocated now without swapping."""
    shm_free_gib: float | None
    """Free in /dev/shm, where Ray keeps objects; None on systems without."""
    gpus: int = 0


def this_machine() -> Machine:
    """This machine. Takes milliseconds: neither torch nor a driver library is loaded."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _meminfo("MemAvailable") or memory
    for limit, used in memory_limits():
        memory, free = min(memory, limit), min(free, max(0, limit - used))
    return Machine(
        cpus=usable_cpus(),
        memory_gib=memory / GIB,
        memory_free_gib=free / GIB,
        shm_free_gib=free_gib(SHARED_MEMORY),
        gpus=_gpus(),
    )


def existing_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def can_write(path: Path) -> bool:
    """Whether a folder can be written to, or made where it does not exist."""
    there = next(found for found in (path.absolute(), *path.absolute().parents) if found.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def free_gib(path: Path) -> float | None:
    """Free space on the file system that a path is or would be on; None for missing shared memory."""
    if path == SHARED_MEMORY and not path.is_dir():
        return None
    return shutil.disk_usage(existing_folder(path)).free / GIB


def filesystem_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Kind of file system that a path is or would be on, such as `ext4` or `nfs4`; `unknown` off Linux."""
    folder = existing_folder(path).resolve()
    found = [line.split()[1:3] for line in _lines(mounts)]
    around = [(point, kind) for point, kind in found if folder.is_relative_to(point)]
    return max(around, key=lambda pair: len(pair[0]), default=("", "unknown"))[1]


def allowed_cores() -> int:
    """Cores of this process's affinity mask; on systems without one, of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cpus(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float:
    """Cores that this process may use: by its affinity mask and the quotas of its control groups."""
    cores = float(allowed_cores())
    for folder in _folders("cpu", root, own):
        two = _words(folder / "cpu.max")
        one = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        quota, period = two if len(two) == 2 else one if len(one) == 2 else ["max", "1"]
        if quota.isdigit() and period.isdigit() and int(period):
            cores = min(cores, int(quota) / int(period))
    return cores


def memory_limits(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> list[tuple[int, int]]:
    """(limit, used) in bytes of every control group around this process that has a limit.

    The file cache does not count as used: the kernel frees it before it ends a process.
    """
    found = []
    for folder in _folders("memory", root, own):
        limit = [*_words(folder / "memory.max"), *_words(folder / "memory.limit_in_bytes")]
        used = [*_words(folder / "memory.current"), *_words(folder / "memory.usage_in_bytes")]
        if limit and limit[0].isdigit() and int(limit[0]) < UNLIMITED:
            cached = _cache(folder / "memory.stat")
            found.append((int(limit[0]), max(0, int(used[0] if used else 0) - cached)))
    return found


def _cache(path: Path) -> int:
    """Bytes of file cache in a control group's statistics; version 1 names the whole subtree's `total_*`."""
    words = _words(path)
    table = dict(zip(words[::2], words[1::2], strict=False))
    names = ("total_inactive_file", "total_active_file")
    if names[0] not in table:
        names = ("inactive_file", "active_file")
    return sum(int(table.get(name, 0)) for name in names)


def _folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Folders of this process's control group of one controller, innermost first, in both versions.

    Inside a container the path may be the host's; then only the visible parents are read.
    """
    for line in _lines(own):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        inside = top / path.lstrip("/")
        yield from (folder for folder in (inside, *inside.parents) if folder.is_relative_to(top))


def _meminfo(name: str) -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _gpus() -> int:
    from equipose.orchestrator.cluster.ray_private import gpus_of_this_machine

    return gpus_of_this_machine()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
