"""The `train` job: one training run, new or resumed, in a session of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray.train import Result

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.layout import PREFIX
from equipose.orchestrator.cluster.capacity import concurrent_runs
from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.jobs.session import job_session
from equipose.orchestrator.logged_model.log import LOGGED, ModelLogging, log_best_model
from equipose.orchestrator.ray_train.run import Resources, best_checkpoint, run_training
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import request_errors
from equipose.orchestrator.tracking.origin import NOTE
from equipose.orchestrator.tracking.runs import Tracked, Tracking, flatten_config
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.run_tags import experiment_name, run_tags
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.locks import locked
from equipose.pipelines.files.path_safety import check_name

logger = logging.getLogger(__name__)


def run_train_job(
    config: TrainConfig,
    *,
    name: str,
    out: Path,
    dataset: str,
    resources: Resources,
    session: SessionConfig | None = None,
    models: ModelLogging = LOGGED,
) -> dict[str, float]:
    """Train one run to its end and return its last metrics; the same `name` and `out` again resume it.

    models: what becomes of its best checkpoint in MLflow. Raises ValueError when a run of that name has other
    settings, or is being trained by another process.
    """
    folder = JobFolder(out=out, kind="train", name=check_name(name, "name"))
    root = folder.root
    _check_settings(root, config)
    root.mkdir(parents=True, exist_ok=True)
    busy = f"{root} is being trained by another process; wait for it, stop it, or give another --name"
    with (
        locked(root / ".lock", busy),
        job_session(
            folder,
            experiment_name(dataset, config.data),
            key=f"train/{name}",
            tags=run_tags(config, RunData.open(config.data)),
            params=flatten_config(config, omit=("data.store",)),
            session=session,
        ) as job,
    ):
        if job.joined:
            _, resources = concurrent_runs(resources.workers, gpu=resources.gpu, limit=1)
        mlflow = job.tracking
        result = run_training(
            config,
            name=name,
            storage=root.parent,
            resources=resources,
            tracked=Tracked(uri=mlflow.uri, run_id=mlflow.parent_run, outbox=mlflow.outbox),
        )
        return _record_best(result, mlflow, models)


def _record_best(result: Result, tracking: Tracking, models: ModelLogging) -> dict[str, float]:
    """Log the best checkpoint as a model, and its error as the run's note; returns the last metrics.

    A failing server costs a warning: the run is complete.
    """
    metrics: dict[str, float] = result.return_value
    run_id, epoch = tracking.parent_run, metrics["best/epoch"] + 1
    note = f"Best validation MPJPE {metrics['best/mpjpe_mm']:.1f} mm, after epoch {epoch:.0f}."
    try:
        client(tracking.uri).set_tag(run_id, NOTE, note)
    except request_errors() as error:
        logger.warning("the note of run %s was not written: %s", run_id, error)
    if models.log:
        log_best_model(best_checkpoint(result), tracking.uri, run_id, models)
    return metrics


def _check_settings(folder: Path, config: TrainConfig) -> None:
    """Raise ValueError before anything starts where every worker would raise it later."""
    differing = next((checkpoints.other_settings(state, config) for state in _kept_states(folder)), [])
    if differing:
        raise ValueError(
            f"{folder} holds a run with other settings for {differing}; give this one another --name, "
            "or use the same settings to resume it"
        )


def _kept_states(folder: Path) -> Iterator[dict[str, Any]]:
    """Every readable checkpoint of a run; all are of the same settings."""
    for path in sorted(folder.glob(f"{PREFIX}*/{checkpoints.FILE}"), reverse=True):
        try:
            yield checkpoints.load(path.parent)
        except DataError as error:
            logger.warning("%s; the run resumes from the one before it", error)
