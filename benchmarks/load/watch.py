"""A thread that watches a sweep from within its driver: MLflow's answers, memory, files, threads."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.load.process_table import below, largest_by_kind, memory_mib, open_files, processes, threads
from equipose.orchestrator.jobs.estimate import ENDED
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.tracking.server_process import ServerFiles

TIMEOUT = 60.0
RUNS_PER_PAGE = 100
"""What MLflow's table of runs asks for."""


class CountingProgress(JobProgress):
    """A quiet display that counts the trials that have ended."""

    def ended(self) -> int:
        """Trials that have ended, however."""
        with self._lock:
            return sum(row.state in ENDED for row in self._rows.values())


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look."""

    at: float
    """Seconds on the monotonic clock."""
    ended: int
    """Trials that have ended by then."""
    driver_mib: float
    open_files: int
    threads: int
    """Of the driver, Ray's own included."""
    processes: int
    """Below the driver."""
    largest_mib: dict[str, float]
    """Kind of process -> memory of the largest one below the driver."""
    mlflow_cpu_s: float
    """Of the MLflow server so far."""
    page_s: float | None = None
    """The page itself; None while there is no server."""
    runs_s: float | None = None
    """The request that fills its table of runs; None while there is no run."""
    runs: int = 0
    """Rows that it brought, at most `RUNS_PER_PAGE`."""


class Browser:
    """Asks MLflow for what its runs page asks for."""

    def __init__(self, out: Path) -> None:
        self._state = ServerFiles(out).state
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def visit(self) -> dict[str, Any]:
        """`page_s`, `runs_s` and `runs` of a `Sample`; an answer that fails counts as `TIMEOUT` seconds."""
        try:
            uri = json.loads(self._state.read_text())["uri"]
        except (OSError, ValueError):
            return {}
        page_s, _ = self._timed(uri)
        _, found = self._timed(f"{uri}/ajax-api/2.0/mlflow/experiments/search", {"max_results": 100})
        ids = [item["experiment_id"] for item in found.get("experiments", [])]
        wanted = {
            "experiment_ids": [identity for identity in ids if identity != "0"],
            "run_view_type": "ACTIVE_ONLY",
            "max_results": RUNS_PER_PAGE,
            "order_by": ["attributes.start_time DESC"],
        }
        if not wanted["experiment_ids"]:
            return {"page_s": page_s}
        runs_s, answer = self._timed(f"{uri}/ajax-api/2.0/mlflow/runs/search", wanted)
        return {"page_s": page_s, "runs_s": runs_s, "runs": len(answer.get("runs", []))}

    def _timed(self, url: str, body: dict[str, Any] | None = None) -> tuple[float, dict[str, Any]]:
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        began = time.perf_counter()
        try:
            with self._opener.open(request, timeout=TIMEOUT) as reply:
                content = reply.read()
        except OSError:
            return TIMEOUT, {}
        seconds = time.perf_counter() - began
        return seconds, json.loads(content) if body else {}


class Watch:
    """Looks every `every` seconds, in a `with` block around a sweep; `keep`: file of a line per sample."""

    def __init__(
        self, out: Path, progress: CountingProgress, every: float = 5.0, keep: Path | None = None
    ) -> None:
        self.samples: list[Sample] = []
        self._browser, self._progress, self._every, self._keep = Browser(out), progress, every, keep
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="load-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(self._every):
            self.samples.append(look(self._progress.ended(), self._browser))
            if self._keep:
                with self._keep.open("a") as file:
                    file.write(json.dumps(vars(self.samples[-1])) + "\n")


def look(ended: int, browser: Browser | None = None) -> Sample:
    """A sample of now."""
    mine = below(os.getpid(), processes())
    return Sample(
        at=time.monotonic(),
        ended=ended,
        driver_mib=memory_mib(os.getpid()),
        open_files=open_files(),
        threads=threads(),
        processes=len(mine),
        largest_mib=largest_by_kind(mine),
        mlflow_cpu_s=sum(process.cpu_s for process in mine if process.kind == "MLflow server"),
        **(browser.visit() if browser else {}),
    )


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the samples of one sweep say about the time in which its trials ran."""

    driver_warm_mib: float
    driver_peak_growth_mib: float
    """Largest memory of the driver after the first trials, over that when they had ended."""
    driver_end_growth_mib: float
    """The same at the last trial's end."""
    page_s: tuple[float, float]
    """Median and worst."""
    runs_s: tuple[float, float]
    mlflow_cores: float
    """CPU seconds of the MLflow server per second."""
    largest_mib: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Kind of process -> memory of its largest one, first warm sample and maximum."""


def watched(samples: list[Sample], trials: int, warm_up: int) -> Watched:
    """Read the samples from the end of `warm_up` trials to that of the last one.

    Answers count from the first sample on. Raises ValueError when too few samples were taken to say anything.
    """
    running = [sample for sample in samples if sample.ended < trials]
    warm = [sample for sample in running if sample.ended >= warm_up]
    pages = [sample.page_s for sample in samples if sample.page_s is not None]
    tables = [sample.runs_s for sample in samples if sample.runs_s is not None]
    if len(warm) < 2 or not pages or not tables:
        raise ValueError(f"{len(warm)} samples after {warm_up} of {trials} trials; take more trials")
    first, last = warm[0], warm[-1]
    kinds = {kind for sample in warm for kind in sample.largest_mib}
    memory = {kind: [s.largest_mib[kind] for s in warm if kind in s.largest_mib] for kind in sorted(kinds)}
    return Watched(
        driver_warm_mib=first.driver_mib,
        driver_peak_growth_mib=max(sample.driver_mib for sample in warm) - first.driver_mib,
        driver_end_growth_mib=last.driver_mib - first.driver_mib,
        page_s=(statistics.median(pages), max(pages)),
        runs_s=(statistics.median(tables), max(tables)),
        mlflow_cores=(last.mlflow_cpu_s - first.mlflow_cpu_s) / (last.at - first.at),
        largest_mib={kind: (values[0], max(values)) for kind, values in memory.items()},
    )
