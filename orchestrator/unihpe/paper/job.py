"""UniHPE's tables as a job: every missing stage of every variant, then the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.grid.job import grid_job
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.paper.job import record_folder, run_links
from equipose.orchestrator.training.run_tags import PROJECT
from equipose.orchestrator.unihpe.paper.report import write_unihpe_report
from equipose.orchestrator.unihpe.results import UnihpeOutcome, collect
from equipose.orchestrator.unihpe.stages import UnihpeConfig


@dataclass(frozen=True, kw_only=True)
class UnihpePaperOutcome:
    """The results of the job."""

    outcome: UnihpeOutcome
    report: Path
    """The HTML file; tables and figures are in folders beside it."""


def run_unihpe_paper_job(
    config: UnihpeConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    links_to: str,
    command: str,
    gpu: bool = False,
    session: SessionConfig | None = None,
) -> UnihpePaperOutcome:
    """Train what is missing and write the report; finished stages are not repeated.

    links_to: address of MLflow's pages for the reader. command: what rebuilds the report.
    Raises `failures.FailedRunsError` when runs fail; the results of the others are kept.
    """
    experiment = f"{PROJECT}/{location.dataset}-unihpe-tables"
    with grid_job(
        "unihpe", config, location, progress, experiment=experiment, gpu=gpu, session=session
    ) as job:
        specs = config.specs()
        progress.trials = len(specs)
        outcome = collect(config, job.run(specs, "UniHPE's tables"), job.runs)
        progress.stage("writing the report")
        page = run_links(job.tracking, links_to)
        report = write_unihpe_report(
            outcome, lambda results: page([result.key for result in results]), job.root, command
        )
        record_folder(job.root, job.tracking)
    return UnihpePaperOutcome(outcome=outcome, report=report)
