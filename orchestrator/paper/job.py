"""The paper's tables as a job: every missing run, then the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.comparison.files import log_files
from equipose.orchestrator.grid.job import GridJob, grid_job
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.paper.notes import counted
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.paper.report import write_report
from equipose.orchestrator.paper.results import Finished
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import PARENT_TAG, Tracking
from equipose.orchestrator.tracking.ui import compare_page
from equipose.orchestrator.training.run_tags import PROJECT


@dataclass(frozen=True, kw_only=True)
class PaperOutcome:
    """The results of the job."""

    finished: Finished
    report: Path
    """The HTML file; tables and figures are in folders beside it."""


def run_paper_job(
    config: PaperConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    links_to: str,
    command: str,
    gpu: bool = False,
    session: SessionConfig | None = None,
) -> PaperOutcome:
    """Train what is missing and write the report; finished runs are not repeated.

    links_to: address of MLflow's pages for the reader. command: what rebuilds the report.
    Raises `failures.FailedRunsError` when runs fail; the results of the others are kept.
    """
    with grid_job(
        "tables",
        config,
        location,
        progress,
        experiment=f"{PROJECT}/{location.dataset}-tables",
        gpu=gpu,
        session=session,
    ) as job:
        finished = _train(config, job)
        progress.stage("writing the report")
        folder = location.out / "results" / config.fingerprint(job.runs)
        page = run_links(job.tracking, links_to)
        report = write_report(
            finished,
            lambda specs: page([finished.results[spec.name].key for spec in specs]),
            folder,
            command=command,
        )
        record_folder(folder, job.tracking)
    return PaperOutcome(finished=finished, report=report)


def _train(config: PaperConfig, job: GridJob) -> Finished:
    specs = config.runs()
    job.progress.trials = len(specs)
    return Finished(
        config=config,
        plan=config.plan(),
        results=job.run(specs, counted(len(config.tables), "table")),
        runs_folder=job.runs,
        provenance=job.runs.opened.of(config.base.data).provenance,
    )


def run_links(tracking: Tracking, base: str) -> Callable[[Sequence[str]], str]:
    """Keys of runs -> the address of their page in MLflow at `base`."""
    mlflow = client(tracking.uri)
    experiment = mlflow.get_run(tracking.parent_run).info.experiment_id
    children: dict[str, str] = {}
    token = None
    while True:
        page = mlflow.search_runs(
            [experiment], f"tags.`{PARENT_TAG}` = '{tracking.parent_run}'", max_results=1000, page_token=token
        )
        children |= {run.data.tags["cell"]: run.info.run_id for run in page if "cell" in run.data.tags}
        token = page.token
        if not token:
            break

    return lambda keys: compare_page(base, experiment, [children[key] for key in keys])


def record_folder(folder: Path, tracking: Tracking) -> None:
    """The report, its tables and figures on the parent run."""
    with RunLogger(tracking.uri, tracking.parent_run, Path(tracking.outbox)) as logger:
        log_files(logger, (path for path in folder.rglob("*") if path.suffix != ".pdf"), folder)
