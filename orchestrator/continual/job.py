"""`equipose continual`: one resumable job on the grid of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.continual.collect import collect
from equipose.orchestrator.continual.config import ContinualConfig
from equipose.orchestrator.continual.record import record
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.orchestrator.grid.job import grid_job
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.training.run_tags import PROJECT


@dataclass(frozen=True, kw_only=True)
class FinishedContinual:
    """What a job leaves."""

    outcome: ContinualOutcome
    report: Path


def run_continual_job(
    config: ContinualConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    gpu: bool = False,
    session: SessionConfig | None = None,
    command: str = "equipose continual",
) -> FinishedContinual:
    """Run a job or resume an interrupted one: finished tasks are not repeated, and one that was interrupted
    continues at its newest checkpoint.

    command: what repeats the job, for the report. Raises `failures.FailedRunsError` when runs fail; the
    results of the others are kept.
    """
    experiment = f"{PROJECT}/{location.dataset}-{config.base.data.protocol}-tasks-by-{config.tasks[0].by}"
    with grid_job(
        "continual", config, location, progress, experiment=experiment, gpu=gpu, session=session
    ) as job:
        streams = {stream: config.runs(stream) for stream in config.streams()}
        specs = [spec for runs in streams.values() for spec in runs]
        progress.trials = len(specs)
        results = job.run(specs, "learning task after task")
        progress.stage("tables and figures")
        outcome = collect(config, streams, results, job.runs)
        report = record(outcome, job.tracking, job.root, command)
    return FinishedContinual(outcome=outcome, report=report)
