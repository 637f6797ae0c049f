"""Fair timing of alternatives on a noisy machine: interleaved rounds, medians, ratios round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU time of one call, all threads of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


@dataclass(frozen=True)
class Measurement:
    """Seconds of one candidate over the rounds of one comparison."""

    name: str
    seconds: tuple[float, ...]
    ratio: float
    """Median over rounds of (baseline seconds / these seconds); above 1 is faster than the baseline."""

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)


def compare(
    candidates: dict[str, Callable[[], object]],
    rounds: int = 5,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Measurement]:
    """Time each candidate once per round, in turn; the first one is the baseline of the ratios.

    `clock` may be `time.process_time` for work in this process alone: other processes disturb it less.
    """
    for _ in range(warmup):
        for run in candidates.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    baseline = seconds[next(iter(candidates))]
    return [
        Measurement(
            name=name,
            seconds=tuple(values),
            ratio=statistics.median(b / v for b, v in zip(baseline, values, strict=True)),
        )
        for name, values in seconds.items()
    ]


def markdown(title: str, measurements: list[Measurement]) -> str:
    """A Markdown table of a comparison."""
    lines = [
        f"### {title}",
        "",
        "| candidate | median | min | max | speed-up over first |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {m.name} | {m.median:.4g} s | {min(m.seconds):.4g} s | {max(m.seconds):.4g} s | {m.ratio:.2f}x |"
        for m in measurements
    ]
    return "\n".join(lines)
