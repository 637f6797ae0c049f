"""What every job that consists of cells needs around them: Ray, MLflow, a parent run, a place, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cell_work import CellPlace, Tracking
from orchestrator.cells import Cell, CellResult
from orchestrator.delivery import replay
from orchestrator.grid import run_grid
from orchestrator.parent_run import parent_run
from orchestrator.planning import GIB_PER_WORKER, concurrent_runs
from orchestrator.progress import SweepProgress
from orchestrator.session import SessionConfig, ray_session, tracking_host
from orchestrator.sweep_job import JobPlace
from orchestrator.tracking_server import tracking_server

ALL = 10_000
"""No other limit on the runs side by side than what the machine or cluster has room for."""


@dataclass(frozen=True, kw_only=True)
class GridJob:
    """An open job: where its cells go, how many fit at once, and who is told."""

    place: CellPlace
    tracking: Tracking
    concurrency: int
    progress: SweepProgress

    def run(self, cells: Sequence[Cell], stage: str) -> dict[str, CellResult]:
        """Bring cells to their end, those that have not; cell name -> result."""
        self.progress.stage(f"{stage}: {len(cells)} runs, {self.concurrency} at a time")
        return run_grid(cells, self.place, self.concurrency, self._told)

    def _told(self, cell: Cell, state: str, result: CellResult | None) -> None:
        ended = result is not None
        self.progress.trial(
            cell.name,
            "done" if state == "kept" else state,
            cell.config.epochs if ended else 0,
            cell.config.epochs,
            result.validation_mm if result else None,
        )


@contextlib.contextmanager
def grid_job(
    root: Path,
    place: JobPlace,
    progress: SweepProgress,
    *,
    experiment: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    workers: int,
    gpu: bool,
    session: SessionConfig | None = None,
    gib_per_worker: float = GIB_PER_WORKER,
) -> Iterator[GridJob]:
    """Open the job of folder `root` (`<out>/<kind>/<name>`), anew or where it was interrupted.

    Ray and MLflow are up within the block; what a slow server has not taken by its end is sent once more.
    """
    kind, name = root.parent.name, root.name
    tag = kind.removesuffix("s")
    progress.stage("starting Ray and MLflow")
    with (
        tracking_server(place.out, host=tracking_host(session)) as server,
        ray_session(session),
        parent_run(
            server.uri, experiment, name, key=f"{kind}/{name}", tags={**tags, tag: name}, params=params
        ) as parent,
    ):
        spool = root / "spool"
        replay(spool, server.uri)
        concurrency, resources = concurrent_runs(workers, gpu=gpu, limit=ALL, gib_per_worker=gib_per_worker)
        tracking = Tracking(
            uri=server.uri,
            experiment=experiment,
            parent_run=parent,
            tags={tag: name},
            spool=str(spool),
        )
        cells = CellPlace(root=(place.out / "cells").resolve(), resources=resources, tracking=tracking)
        yield GridJob(place=cells, tracking=tracking, concurrency=concurrency, progress=progress)
        replay(spool, server.uri)
