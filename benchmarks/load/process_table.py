"""Processes as the kernel sees them: memory, CPU time, open files; read from /proc, so on Linux only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
KINDS = {
    "mlflow": "MLflow server",
    "gcs_server": "Ray GCS",
    "raylet/raylet": "Ray raylet",
    "ray::RayTrainWorker": "training worker",
    "ray::TrainController": "Train controller",
    "ray::": "other Ray worker, trials among them",
    "dashboard": "Ray dashboard",
    "/ray/": "other Ray process",
}
"""Part of a command line -> what to call the process; the first that fits."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process at one moment."""

    pid: int
    parent: int
    command: str
    memory_mib: float
    """Resident."""
    cpu_s: float
    """User and system, since its start."""

    @property
    def kind(self) -> str:
        """What it is in words; `other` for strangers."""
        return next((name for part, name in KINDS.items() if part in self.command), "other")


def parse_stat(text: str) -> tuple[int, float, float]:
    """(parent, CPU seconds, resident MiB) from `/proc/<pid>/stat`, proc(5)."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * PAGE / 2**20


def processes() -> list[Process]:
    """All that run now; those that end while we look are left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent, cpu, memory = parse_stat((folder / "stat").read_text())
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(
            Process(pid=int(folder.name), parent=parent, command=command, memory_mib=memory, cpu_s=cpu)
        )
    return found


def below(pid: int, among: Iterable[Process]) -> list[Process]:
    """Children of a process, their children, and so on."""
    children: dict[int, list[Process]] = {}
    for process in among:
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += [process.pid for process in new]
    return found


def looks(command: subprocess.Popen[Any], pause: float) -> Iterator[list[Process]]:
    """What runs below a command, again and again until it ends; pause: seconds between two looks."""
    while command.poll() is None:
        yield below(command.pid, processes())
        time.sleep(pause)


def largest_by_kind(among: Iterable[Process]) -> dict[str, float]:
    """Kind -> resident MiB of its largest process."""
    largest: dict[str, float] = {}
    for process in among:
        largest[process.kind] = max(largest.get(process.kind, 0.0), process.memory_mib)
    return largest


def memory_mib(pid: int) -> float:
    """Resident memory of one process."""
    return parse_stat(Path(f"/proc/{pid}/stat").read_text())[2]


def open_files() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    """Threads of this process, also those that Python does not know, such as Ray's."""
    return len(os.listdir("/proc/self/task"))
