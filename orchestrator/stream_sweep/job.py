"""`equipose sweep --work continual`: trials that are streams, their table and figures on the parent run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from matplotlib.figure import Figure

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.continual.config import file_name
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.jobs.location import JobFolder, JobLocation, runs_folder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.jobs.session import JobSession, job_session
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.stream_sweep.results import StreamSweepOutcome, outcome_of
from equipose.orchestrator.stream_sweep.run import run_stream_sweep
from equipose.orchestrator.sweep.job import PATIENCE, REPLAY_SECONDS, end_runs, note_reasons
from equipose.orchestrator.sweep.leaked_groups import LOOK_SECONDS, remove_leaked_groups
from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.sweep.trial import SweepLocation
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import flatten_config, tag_extent
from equipose.orchestrator.training.config import to_json
from equipose.orchestrator.training.data import OpenedData
from equipose.orchestrator.training.run_tags import PROJECT, run_tags
from equipose.pipelines.figures import parallel_coordinates, sweep_history

OMITTED = ("data.store", "method")
"""What is no parameter of the parent run."""


def run_stream_sweep_job(
    config: StreamSweepConfig,
    location: JobLocation,
    progress: JobProgress,
    session: SessionConfig | None = None,
) -> StreamSweepOutcome:
    """Run a sweep of streams, or resume an interrupted one of the same name, and record it in MLflow."""
    folder = JobFolder(out=location.out, kind="sweeps", name=config.name)
    folder.root.mkdir(parents=True, exist_ok=True)
    opened, base = OpenedData(), config.job.base
    data = opened.of(base.data)
    own = {"sweep": config.name, "work": "continual"}
    tags = {**run_tags(base, data), "method": "all", **own}
    tasks, names = (",".join(t.name for t in config.job.tasks), ",".join(config.job.methods))
    with job_session(
        folder,
        f"{PROJECT}/{location.dataset}-{base.data.protocol}-tasks-by-{config.job.tasks[0].by}",
        key=f"sweep/{config.name}",
        tags=tags,
        params={**flatten_config(base, omit=OMITTED), "tasks": tasks, "strategies": names},
        child_tags=own | {"provenance": data.provenance, "fingerprint": data.fingerprint},
        progress=progress,
        session=session,
    ) as job:
        tag_extent(job.tracking, trials=config.trials)
        config = sized(config) if job.joined else config
        runs = RunsFolder(root=runs_folder(location.out), resources=config.resources, opened=opened)
        with periodically("leaked-groups", remove_leaked_groups, LOOK_SECONDS):
            return _search_and_record(config, runs, data.provenance, job, progress)


def sized(config: StreamSweepConfig) -> StreamSweepConfig:
    """The same sweep, as wide as the machine or cluster at hand has room for."""
    planned = config.resources
    concurrency, resources = concurrent_runs_of(
        config.job.base, planned.workers, gpu=planned.gpu, limit=config.total
    )
    return replace(config, concurrency=concurrency, resources=resources)


def _search_and_record(
    config: StreamSweepConfig, runs: RunsFolder, provenance: str, job: JobSession, progress: JobProgress
) -> StreamSweepOutcome:
    location = SweepLocation(folder=job.folder, tracking=job.tracking)
    progress.stage(f"learning {config.total} streams, {config.concurrency} at a time")
    with periodically("mlflow-replay", partial(job.deliver, REPLAY_SECONDS), REPLAY_SECONDS):
        studies = run_stream_sweep(config, location, runs, progress)
    job.deliver(patience=PATIENCE)
    outcome = outcome_of(config, studies, provenance)
    noted = note_reasons(outcome.trials, outcome.failures, location)
    end_all = partial(end_runs, outcome.trials, noted, job.tracking.uri)
    end_all()
    progress.stage("drawing figures")
    _record(outcome, location)
    job.endings.append(end_all)  # what is delivered late sets a run back to RUNNING
    return outcome


def _record(outcome: StreamSweepOutcome, location: SweepLocation) -> None:
    """Numbers, tables and figures of the whole sweep, on the parent run."""
    tracking = location.tracking
    with RunLogger(tracking.uri, tracking.parent_run, location.folder.outbox / "parent") as logger:
        best = outcome.best
        metrics = {
            f"stream/{file_name(row['strategy'])}/validation_mm": row[OBJECTIVE]
            for row in best.iter_rows(named=True)
        }
        # A point is logged once; the numbers of a sweep with more trials need a step of their own.
        logger.log_metrics({OBJECTIVE: best[OBJECTIVE][0], **metrics}, step=len(outcome.finished))
        logger.set_tags({"best_trial": best["trial"][0]})
        logger.log_artifact(outcome.trials.write_csv(), "tables/trials.csv")
        logger.log_artifact(best.write_csv(), "tables/best.csv")
        logger.log_artifact(json.dumps(to_json(outcome.config.job.base), indent=2), "config.json")
        for name, figure in stream_figures(outcome).items():
            logger.log_figure(figure, f"figures/{name}.png")


def stream_figures(outcome: StreamSweepOutcome) -> Mapping[str, Figure]:
    """Name -> figure: of every strategy that was tuned its history, and its dials against the error."""
    figures = {}
    for search in outcome.config.searches():
        rows = outcome.of(search.name)
        if search.dials and rows:
            slug = file_name(search.name)
            figures[f"history-{slug}"] = sweep_history(rows, OBJECTIVE, outcome.provenance)
            figures[f"dials-{slug}"] = parallel_coordinates(rows, OBJECTIVE, outcome.provenance)
    return figures
