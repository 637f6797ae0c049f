"""The whole job around one training run: Ray and MLflow up, train or go on, everything down."""

from __future__ import annotations

from pathlib import Path

from orchestrator.config import TrainConfig
from orchestrator.run_tags import experiment_name, run_tags
from orchestrator.runs import Resources, run_training
from orchestrator.session import SessionConfig, ray_session
from orchestrator.tracking import Tracked, create_run, flatten_config
from orchestrator.tracking_server import tracking_server


def run_train_job(
    config: TrainConfig,
    *,
    name: str,
    out: Path,
    dataset: str,
    resources: Resources,
    session: SessionConfig | None = None,
) -> dict[str, float]:
    """Train one run to its end and return its last metrics; the same `name` and `out` again resume it."""
    with tracking_server(out) as server, ray_session(session):
        run_id = create_run(
            server.uri,
            experiment_name(dataset, config.data),
            name,
            key=f"train/{name}",
            tags=run_tags(config),
            params=flatten_config(config, omit=("data.store",)),
        )
        result = run_training(
            config,
            name=name,
            storage=out / "train",
            resources=resources,
            tracked=Tracked(uri=server.uri, run_id=run_id, spool=str(out / "spool" / name)),
        )
    metrics: dict[str, float] = result.return_value
    return metrics
