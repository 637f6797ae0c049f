"""Logging a run's best checkpoint to MLflow as a model: once, at the end, from the job's own process."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.export.description import checkpoint_facts
from equipose.orchestrator.logged_model.save import quiet, save_mlflow_model
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import request_errors

logger = logging.getLogger(__name__)

NAME = "model"
"""Of a logged model; its run tells it from others."""
CHECKSUM = "checkpoint_sha256"
"""Tag by which a model is known again, so that a resumed job does not log it twice."""


@dataclass(frozen=True, kw_only=True)
class ModelLogging:
    """What a job does with its best model."""

    log: bool = True
    register: str | None = None
    """Name in MLflow's registry, which gets a new version; None leaves the registry alone."""

    def __post_init__(self) -> None:
        if self.register is not None and (not self.register.strip() or set(self.register) & set("/:'")):
            raise ValueError(f"register={self.register!r}: use a name without slash, colon and quote")
        if self.register is not None and not self.log:
            raise ValueError(
                f"register={self.register!r} needs the model in MLflow; leave out --no-log-model"
            )


OF_MODEL = "equipose.model"
"""Tag of a version in the registry: the id of the logged model that it is."""
LOGGED = ModelLogging()
"""Logged and not registered."""


def log_best_model(
    checkpoint: Path, uri: str, run_id: str, wanted: ModelLogging, also: Sequence[str] = ()
) -> str | None:
    """Log a checkpoint as the model of a run; its id in MLflow, None where it was not logged.

    also: further runs that show it, such as the sweep that the run belongs to. A server that fails, or a full
    disk, costs a warning and never the run, whose checkpoint stays where it is.
    """
    if not wanted.log:
        return None
    try:
        model_id = _log(checkpoint, uri, run_id, also)
        if wanted.register is not None:
            _register(uri, run_id, model_id, wanted.register)
    except request_errors() as error:
        logger.warning("the model of %s was not logged to MLflow, or not wholly: %s", checkpoint, error)
        return None
    return model_id


def _log(checkpoint: Path, uri: str, run_id: str, also: Sequence[str]) -> str:
    trained, mlflow = load_model(checkpoint), client(uri)
    digest = checkpoint_facts(trained)["sha256"]
    run = mlflow.get_run(run_id)
    known = _known(mlflow, run, digest)
    if known is not None:
        return known
    entry = mlflow.create_logged_model(
        run.info.experiment_id,
        name=NAME,
        source_run_id=run_id,
        tags={CHECKSUM: digest, "sensors": ",".join(trained.sensors)},
        model_type="pose",
    )
    try:
        _upload(trained, mlflow, entry, run_id)
    except BaseException:
        mlflow.finalize_logged_model(entry.model_id, "FAILED")
        raise
    mlflow.finalize_logged_model(entry.model_id, "READY")
    _show(mlflow, entry.model_id, (run_id, *also), step=checkpoints.load(checkpoint)["epoch"] - 1)
    return str(entry.model_id)


def _known(mlflow: Any, run: Any, digest: str) -> str | None:
    """Id of the model that an earlier attempt has logged of the same checkpoint."""
    for output in run.outputs.model_outputs if run.outputs else ():
        if mlflow.get_logged_model(output.model_id).tags.get(CHECKSUM) == digest:
            return str(output.model_id)
    return None


def _upload(trained: Any, mlflow: Any, entry: Any, run_id: str) -> None:
    with quiet():
        from mlflow.models import Model
    record = Model(
        artifact_path=entry.artifact_location,
        model_uuid=entry.model_id,
        run_id=run_id,
        model_id=entry.model_id,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / NAME
        save_mlflow_model(trained, folder, record)
        mlflow.log_model_artifacts(entry.model_id, str(folder))


def _show(mlflow: Any, model_id: str, runs: Sequence[str], step: int) -> None:
    """List the model among the outputs of runs, at the epoch that wrote its checkpoint."""
    from mlflow.entities import LoggedModelOutput

    for run_id in dict.fromkeys(runs):
        mlflow.log_outputs(run_id, [LoggedModelOutput(model_id, step=step)])


def _register(uri: str, run_id: str, model_id: str, name: str) -> None:
    """A version of a registered model, unless this model is one already."""
    mlflow = client(uri)
    if not mlflow.search_registered_models(f"name = '{name}'"):
        mlflow.create_registered_model(name)
    versions = mlflow.search_model_versions(f"name = '{name}'")
    # The field model_id is empty in what the server lists.
    if not any(version.tags.get(OF_MODEL) == model_id for version in versions):
        mlflow.create_model_version(
            name, f"models:/{model_id}", run_id=run_id, model_id=model_id, tags={OF_MODEL: model_id}
        )
