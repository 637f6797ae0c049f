"""What every job that sweeps lines of runs does: open its session, search, and end the runs of its trials."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from equipose.orchestrator.cluster.leaked_groups import LOOK_SECONDS, remove_leaked_groups
from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.jobs.location import JobFolder, JobLocation, runs_folder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.jobs.session import JobSession, job_session
from equipose.orchestrator.line_sweep.config import Sweep, sized
from equipose.orchestrator.line_sweep.results import Swept
from equipose.orchestrator.line_sweep.run import Studies, run_line_sweep
from equipose.orchestrator.sweep.job import PATIENCE, REPLAY_SECONDS, end_runs, note_reasons
from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.sweep.trial import SweepLocation
from equipose.orchestrator.tracking.runs import flatten_config, tag_extent
from equipose.orchestrator.training.data import OpenedData
from equipose.orchestrator.training.run_tags import run_tags

OMITTED = ("data.store", "method")
"""What is no parameter of the parent run."""


@dataclass(frozen=True, kw_only=True)
class OpenSweep(Generic[Sweep]):
    """An open job: Ray and its tracking server are up, and its data is open."""

    config: Sweep
    """Sized for the machine or cluster at hand."""
    runs: RunsFolder
    provenance: str
    job: JobSession
    progress: JobProgress

    @property
    def location(self) -> SweepLocation:
        """Where trials leave what they have."""
        return SweepLocation(folder=self.job.folder, tracking=self.job.tracking)

    def search(self, noun: str) -> Studies:
        """Run the trials that are left, and deliver what they have logged. noun: what they are called."""
        config = self.config
        self.progress.stage(f"learning {config.total} {noun}, {config.concurrency} at a time")
        with periodically("mlflow-replay", partial(self.job.deliver, REPLAY_SECONDS), REPLAY_SECONDS):
            studies = run_line_sweep(config, self.location, self.runs, self.progress)
        self.job.deliver(patience=PATIENCE)
        return studies

    def end_trials(self, swept: Swept) -> None:
        """Note on every trial's run why it ended, and end those that could not do it themselves."""
        noted = note_reasons(swept.trials, swept.failures, self.location)
        end_all = partial(end_runs, swept.trials, noted, self.job.tracking.uri)
        end_all()
        self.job.endings.append(end_all)  # what is delivered late sets a run back to RUNNING


@dataclass(frozen=True, kw_only=True)
class About:
    """What a sweep's parent run says in MLflow."""

    work: str
    experiment: str
    params: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def open_sweep(
    config: Sweep,
    location: JobLocation,
    progress: JobProgress,
    about: About,
    session: SessionConfig | None = None,
) -> Iterator[OpenSweep[Sweep]]:
    """Open a sweep, new or an interrupted one of the same name, with its run in MLflow."""
    folder = JobFolder(out=location.out, kind="sweeps", name=config.name)
    folder.root.mkdir(parents=True, exist_ok=True)
    opened, base = OpenedData(), config.base
    data = opened.of(base.data)
    own = {"sweep": config.name, "work": about.work}
    with job_session(
        folder,
        about.experiment,
        key=f"sweep/{config.name}",
        tags={**run_tags(base, data), "method": "all", **own},
        params={**flatten_config(base, omit=OMITTED), **about.params},
        child_tags=own | {"provenance": data.provenance, "fingerprint": data.fingerprint},
        progress=progress,
        session=session,
    ) as job:
        tag_extent(job.tracking, trials=config.trials)
        config = sized(config) if job.joined else config
        runs = RunsFolder(root=runs_folder(location.out), resources=config.resources, opened=opened)
        with periodically("leaked-groups", remove_leaked_groups, LOOK_SECONDS):
            yield OpenSweep(config=config, runs=runs, provenance=data.provenance, job=job, progress=progress)
