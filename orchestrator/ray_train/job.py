"""The whole job around one training run: Ray and MLflow up, train or go on, everything down."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.cluster.capacity import concurrent_runs
from equipose.orchestrator.cluster.session import SessionConfig, address_to_join, ray_session, tracking_host
from equipose.orchestrator.ray_train.run import Resources, run_training
from equipose.orchestrator.tracking.runs import Tracked, create_run, end_run, flatten_config, replay
from equipose.orchestrator.tracking.server import tracking_server
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
) -> dict[str, float]:
    """Train one run to its end and return its last metrics; the same `name` and `out` again resume it.

    Raises ValueError when a run of that name has other settings, or is being trained by another process.
    """
    folder = out / "train" / check_name(name, "name")
    _check_name(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"{folder} is being trained by another process; wait for it, stop it, or give another --name"
    with (
        locked(folder / ".lock", busy),
        tracking_server(out, host=tracking_host(session)) as server,
        ray_session(session),
    ):
        if address_to_join(session):
            _, resources = concurrent_runs(resources.workers, gpu=resources.gpu, limit=1)
        replay(out / "spool" / name, server.uri)
        run_id = create_run(
            server.uri,
            experiment_name(dataset, config.data),
            name,
            key=f"train/{name}",
            tags=run_tags(config, RunData.open(config.data)),
            params=flatten_config(config, omit=("data.store",)),
        )
        try:
            result = run_training(
                config,
                name=name,
                storage=out / "train",
                resources=resources,
                tracked=Tracked(uri=server.uri, run_id=run_id, outbox=str(out / "spool" / name)),
            )
        except BaseException as error:
            end_run(server.uri, run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        replay(out / "spool" / name, server.uri)
    metrics: dict[str, float] = result.return_value
    return metrics


def _check_name(folder: Path, config: TrainConfig) -> None:
    """Refuse before anything starts what every worker would refuse later."""
    differing = next((checkpoints.other_settings(state, config) for state in _kept_states(folder)), [])
    if differing:
        raise ValueError(
            f"{folder} holds a run with other settings for {differing}; give this one another --name, "
            "or use the same settings to go on with it"
        )


def _kept_states(folder: Path) -> Iterator[dict[str, Any]]:
    """Every readable checkpoint of a run; all are of the same settings."""
    for path in sorted(folder.glob(f"checkpoint_*/{checkpoints.FILE}"), reverse=True):
        try:
            yield checkpoints.load(path.parent)
        except DataError as error:
            logger.warning("%s; the run goes on from the one before it", error)
