"""Rows of the table: one way to compute each, measured within a time of its own."""

from __future__ import annotations

import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from benchmarks.gpu.work import Size, Work, alignment, sensors
from equipose.models.compute.config import ComputeConfig, Precision

ROUNDS, WARMUP = 20, 2
Build = Callable[[Size, ComputeConfig, torch.device], Work]
WORKS: dict[str, Build] = {
    "plain": lambda *given: sensors("plain", *given),
    "awc": lambda *given: sensors("awc", *given),
    "unihpe": alignment,
}
"""`awc`: every step comes with its share of a Fisher pass, one batch per batch. `unihpe`: alignment alone."""
WITHOUT_POINTS = ("unihpe",)
"""Where there is no attention among points to recompute."""
PRECISION_ORDER: tuple[Precision, ...] = ("float32", "tf32", "bf16")


class OvertimeError(BaseException):
    """A row has used up its time. No `Exception`, so that a compiler at work does not swallow it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise OvertimeError in the block after so many seconds; in the main thread only."""

    def stop(number: int, frame: object) -> None:
        raise OvertimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one way to compute gives, or why it gives nothing."""

    work: str
    name: str
    seconds: tuple[float, ...] = ()
    rows: int = 0
    first_s: float = 0.0
    """The first unit, with whatever is compiled then."""
    peak_mib: float | None = None
    utilisation: float | None = None
    """Median per cent of the time in which the device was busy, as NVML says."""
    failure: str = ""

    @property
    def rate(self) -> float:
        """Samples per second."""
        return self.rows / statistics.median(self.seconds)


def variants(*, compiled: bool) -> Iterator[ComputeConfig]:
    """Every precision, first as it is, then with recomputed attention."""
    for recomputes in (False, True):
        for precision in PRECISION_ORDER:
            yield ComputeConfig(precision=precision, compile=compiled, activation_checkpointing=recomputes)


def label(config: ComputeConfig) -> str:
    """Such as `bf16, compiled, recomputed`."""
    words = [config.precision]
    words += ["compiled"] if config.compile else []
    return ", ".join(words + (["recomputed"] if config.activation_checkpointing else []))


def planned(*, compiled: bool) -> list[tuple[str, ComputeConfig]]:
    """All rows; those that compile, which takes long, come last."""
    ways = list(variants(compiled=False)) + (list(variants(compiled=True)) if compiled else [])
    return [
        (work, config)
        for config in ways
        for work in WORKS
        if not (config.activation_checkpointing and work in WITHOUT_POINTS)
    ]


def measured(work: str, config: ComputeConfig, size: Size, device: torch.device, seconds: float) -> Row:
    """One row, in at most so many seconds."""
    row = Row(work=work, name=label(config))
    try:
        config.check_device(device)
        with within(seconds):
            return _timed(row, WORKS[work](size, config, device), device, seconds / 2)
    except ValueError as error:
        return _failed(row, str(error))
    except OvertimeError:
        return _failed(row, f"not done in {seconds:.0f} s")
    except torch.OutOfMemoryError:
        return _failed(row, "out of memory")
    finally:
        _tidy(config, device)


def _failed(row: Row, why: str) -> Row:
    return Row(work=row.work, name=row.name, failure=why)


def _timed(row: Row, work: Work, device: torch.device, seconds: float) -> Row:
    """Warm up, then as many units as fit into so many seconds."""
    first = _clocked(work, device)[0]
    for _ in range(WARMUP - 1):
        _clocked(work, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    units, end = [_clocked(work, device)], time.perf_counter() + seconds
    while len(units) < ROUNDS and time.perf_counter() < end:
        units.append(_clocked(work, device))
    busy = [share for _, share in units if share is not None]
    return Row(
        work=row.work,
        name=row.name,
        seconds=tuple(taken for taken, _ in units),
        rows=work.rows,
        first_s=first,
        peak_mib=torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None,
        utilisation=statistics.median(busy) if busy else None,
    )


def _clocked(work: Work, device: torch.device) -> tuple[float, float | None]:
    """Seconds of one unit until the device is done, and how busy it was."""
    start = time.perf_counter()
    work.unit()
    busy = _utilisation(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, busy


def _utilisation(device: torch.device) -> float | None:
    """Per cent, or None where NVML cannot be asked."""
    if device.type != "cuda":
        return None
    try:
        return float(torch.cuda.utilization(device))
    except (ImportError, RuntimeError):
        return None


def _tidy(config: ComputeConfig, device: torch.device) -> None:
    """Free what the row used, and what was compiled for it."""
    if config.compile:
        torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
