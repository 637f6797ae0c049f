"""A job that is a grid of runs: its session, the runs it shares with other jobs, and its progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name
from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.grid.run_all import run_grid
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.jobs.location import JobFolder, JobLocation, Kind, runs_folder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.jobs.session import job_session
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.tracking.runs import Tracking, flatten_config, tag_extent
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import OpenedData
from equipose.orchestrator.training.run_tags import run_tags

ALL = 10_000
"""Runs side by side: no limit but what the machine or cluster has room for."""
LISTED = ("methods", "levels", "variants", "also", "others", "lengths")
"""Config fields of which the parent run gets the names only; their settings are on the children."""


class GridConfig(Protocol):
    """What the configs of such jobs have in common."""

    @property
    def name(self) -> str:
        """Of the job and its folder."""

    @property
    def base(self) -> TrainConfig:
        """What all runs of the grid vary."""

    @property
    def methods(self) -> Iterable[str | MethodConfig]:
        """By name or with their settings."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs; a later session of the job may have more."""

    @property
    def workers(self) -> int:
        """Of every run."""


def job_params(config: GridConfig) -> dict[str, str]:
    """Parameters of the parent run: what distinguishes jobs of a kind."""
    lists = {name: ",".join(map(_named, getattr(config, name))) for name in LISTED if hasattr(config, name)}
    return (
        flatten_config(config, omit=("base.data.store", "data.store", "base.method", "seeds", *LISTED))
        | lists
    )


def _named(item: Any) -> str:
    """Name of a method or a level; a method may be given by its name alone."""
    if isinstance(item, MethodConfig):
        return method_name(item)
    return item if isinstance(item, str) else str(item.name)


@dataclass(frozen=True, kw_only=True)
class GridJob:
    """An open job: where its files and runs go, and how many runs fit at once."""

    root: Path
    runs: RunsFolder
    tracking: Tracking
    concurrency: int
    progress: JobProgress

    def run(self, specs: Sequence[RunSpec], stage: str) -> dict[str, RunResult]:
        """Train and test the runs that are not kept yet; name -> result of all of them."""
        self.progress.stage(f"{stage}: {len(specs)} runs, {self.concurrency} at a time")
        return run_grid(specs, self.runs, self.concurrency, self._on_change, self._on_epoch)

    def _on_epoch(self, spec: RunSpec, epochs: int) -> None:
        self.progress.trial(spec.name, "running", epochs, spec.config.epochs)

    def _on_change(self, spec: RunSpec, state: str, result: RunResult | None) -> None:
        ended = result is not None
        self.progress.trial(
            spec.name,
            "done" if state == "kept" else state,
            spec.config.epochs if ended else 0,
            spec.config.epochs,
            result.validation_mm if result else None,
        )


@contextlib.contextmanager
def grid_job(
    kind: Kind,
    config: GridConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    experiment: str,
    gpu: bool,
    session: SessionConfig | None = None,
) -> Iterator[GridJob]:
    """Open a job, new or interrupted; see `job_session`. It is sized to the machine or cluster at hand."""
    opened = OpenedData()
    name, tag = config.name, kind.removesuffix("s")
    with job_session(
        JobFolder(out=location.out, kind=kind, name=name),
        experiment,
        key=f"{kind}/{name}",
        tags={**run_tags(config.base, opened.of(config.base.data)), "method": "all", tag: name},
        params=job_params(config),
        child_tags={tag: name},
        progress=progress,
        session=session,
    ) as job:
        tag_extent(job.tracking, seeds=",".join(map(str, config.seeds)))
        concurrency, resources = concurrent_runs_of(config.base, config.workers, gpu=gpu, limit=ALL)
        runs = RunsFolder(
            root=runs_folder(location.out), resources=resources, tracking=job.tracking, opened=opened
        )
        yield GridJob(
            root=job.folder.root,
            runs=runs,
            tracking=job.tracking,
            concurrency=concurrency,
            progress=progress,
        )
