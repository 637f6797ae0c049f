"""`equipose sweep --work continual`: trials that are streams, their table and figures on the parent run."""

from __future__ import annotations

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.line_sweep.job import About, open_sweep
from equipose.orchestrator.line_sweep.record import record_search
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.stream_sweep.results import StreamSweepOutcome, outcome_of
from equipose.orchestrator.training.run_tags import PROJECT
from equipose.pipelines.files.path_safety import file_name


def run_stream_sweep_job(
    config: StreamSweepConfig,
    location: JobLocation,
    progress: JobProgress,
    session: SessionConfig | None = None,
) -> StreamSweepOutcome:
    """Run a sweep of streams, or resume an interrupted one of the same name, and record it in MLflow."""
    tasks, names = (",".join(t.name for t in config.job.tasks), ",".join(config.job.methods))
    about = About(
        work="continual",
        experiment=f"{PROJECT}/{location.dataset}-{config.base.data.protocol}"
        f"-tasks-by-{config.job.tasks[0].by}",
        params={"tasks": tasks, "strategies": names},
    )
    with open_sweep(config, location, progress, about, session) as sweep:
        outcome = outcome_of(sweep.config, sweep.search("streams"), sweep.provenance)
        sweep.end_trials(outcome)
        progress.stage("drawing figures")
        record_search(outcome, sweep.config, sweep.location, _best_errors(outcome))
        return outcome


def _best_errors(outcome: StreamSweepOutcome) -> dict[str, float]:
    """Name in MLflow -> the best error of a strategy, mm."""
    return {
        f"stream/{file_name(row['strategy'])}/validation_mm": row[OBJECTIVE]
        for row in outcome.best.iter_rows(named=True)
    }
