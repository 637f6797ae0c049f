"""What every job that consists of cells needs around them: Ray, MLflow, a parent run, a place, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name
from equipose.orchestrator.cluster.session import SessionConfig, ray_session, tracking_host
from equipose.orchestrator.grid.run_all import run_grid
from equipose.orchestrator.grid.run_one import RunsFolder, Tracking
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import SweepProgress
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.tracking.delivery import replay
from equipose.orchestrator.tracking.runs import flatten_config, parent_run
from equipose.orchestrator.tracking.server import tracking_server
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import OpenedData
from equipose.orchestrator.training.run_tags import run_tags

ALL = 10_000
"""No other limit on the runs side by side than what the machine or cluster has room for."""

Kind = Literal["comparisons", "tables"]
"""Folders of such jobs."""
LISTED = ("methods", "levels")
"""Fields of configs whose names stand on the parent run, and their settings on the children."""


class GridConfig(Protocol):
    """What the configs of such jobs have in common."""

    @property
    def name(self) -> str:
        """The job's, and its folder's."""

    @property
    def base(self) -> TrainConfig:
        """The run that all cells vary."""

    @property
    def methods(self) -> Iterable[str | MethodConfig]:
        """By name or with their settings."""

    @property
    def workers(self) -> int:
        """Of every run."""


def job_folder(kind: Kind, config: GridConfig, place: JobLocation) -> Path:
    """Where a job keeps what is its own; cells are shared."""
    return (place.out / kind / config.name).resolve()


def job_params(config: GridConfig) -> dict[str, str]:
    """What distinguishes jobs of a kind, for MLflow."""
    lists = {name: ",".join(map(_named, getattr(config, name))) for name in LISTED if hasattr(config, name)}
    return flatten_config(config, omit=("base.data.store", "base.method", *LISTED)) | lists


def _named(item: Any) -> str:
    """The name of a method or a level, which may be just that."""
    if isinstance(item, MethodConfig):
        return method_name(item)
    return item if isinstance(item, str) else str(item.name)


@dataclass(frozen=True, kw_only=True)
class GridJob:
    """An open job: where its files and its cells go, how many fit at once, and who is told."""

    root: Path
    place: RunsFolder
    tracking: Tracking
    concurrency: int
    progress: SweepProgress

    def run(self, cells: Sequence[RunSpec], stage: str) -> dict[str, RunResult]:
        """Bring cells to their end, those that have not; cell name -> result."""
        self.progress.stage(f"{stage}: {len(cells)} runs, {self.concurrency} at a time")
        return run_grid(cells, self.place, self.concurrency, self._on_change)

    def _on_change(self, cell: RunSpec, state: str, result: RunResult | None) -> None:
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
    kind: Kind,
    config: GridConfig,
    place: JobLocation,
    progress: SweepProgress,
    *,
    experiment: str,
    gpu: bool,
    session: SessionConfig | None = None,
) -> Iterator[GridJob]:
    """Open a job, anew or where it was interrupted.

    Ray and MLflow are up within the block; what a slow server has not taken by its end is sent once more.
    """
    opened = OpenedData()
    root, name, tag = job_folder(kind, config, place), config.name, kind.removesuffix("s")
    progress.stage("starting Ray and MLflow")
    with (
        tracking_server(place.out, host=tracking_host(session)) as server,
        ray_session(session),
        parent_run(
            server.uri,
            experiment,
            name,
            key=f"{kind}/{name}",
            tags={**run_tags(config.base, opened.of(config.base.data)), "method": "all", tag: name},
            params=job_params(config),
        ) as parent,
    ):
        outbox = root / "spool"
        replay(outbox, server.uri)
        concurrency, resources = concurrent_runs_of(config.base, config.workers, gpu=gpu, limit=ALL)
        tracking = Tracking(
            uri=server.uri,
            experiment=experiment,
            parent_run=parent,
            tags={tag: name},
            outbox=str(outbox),
        )
        cells = RunsFolder(
            root=(place.out / "cells").resolve(), resources=resources, tracking=tracking, opened=opened
        )
        yield GridJob(root=root, place=cells, tracking=tracking, concurrency=concurrency, progress=progress)
        replay(outbox, server.uri)
