"""`equipose train --work unihpe`: every stage of every variant, as one resumable job on the grid of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.grid.job import grid_job
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.training.run_tags import PROJECT
from equipose.orchestrator.unihpe.record import record
from equipose.orchestrator.unihpe.results import UnihpeOutcome, collect
from equipose.orchestrator.unihpe.stages import UnihpeConfig


@dataclass(frozen=True, kw_only=True)
class FinishedUnihpe:
    """What a job leaves."""

    outcome: UnihpeOutcome
    report: Path


def run_unihpe_job(
    config: UnihpeConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    gpu: bool = False,
    session: SessionConfig | None = None,
    command: str = "equipose train --work unihpe",
) -> FinishedUnihpe:
    """Run a job or resume an interrupted one: finished stages are not repeated, and one that was interrupted
    continues at its newest checkpoint.

    command: what repeats the job, for the report. Raises `failures.FailedRunsError` when runs fail; the
    results of the others are kept.
    """
    experiment = f"{PROJECT}/{location.dataset}-{config.data.protocol}-aligned"
    with grid_job(
        "unihpe", config, location, progress, experiment=experiment, gpu=gpu, session=session
    ) as job:
        specs = config.specs()
        progress.trials = len(specs)
        results = job.run(specs, "aligning stage after stage")
        progress.stage("tables")
        outcome = collect(config, results, job.runs)
        report = record(outcome, job.tracking, job.root, command)
    return FinishedUnihpe(outcome=outcome, report=report)
