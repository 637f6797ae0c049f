"""What identifies a run in MLflow: its experiment and the tags that searches use."""

from __future__ import annotations

import ray

from equipose.balancing.registry import method_label
from equipose.orchestrator.tracking.runs import git_tags
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.data import RunData

PROJECT = "equipose"


def experiment_name(dataset: str, data: DataConfig) -> str:
    """`equipose/<dataset>-<protocol>-<split>`, the MLflow experiment of everything comparable."""
    return f"{PROJECT}/{dataset}-{data.protocol}-{data.split}"


def run_tags(config: TrainConfig, data: RunData) -> dict[str, str]:
    """Tags of a training run; a sweep copies them to its children, since MLflow filters one level only."""
    return {
        "method": method_label(config.method),
        "fusion": config.model.fusion,
        "modalities": ",".join(config.model.modalities),
        "seed": str(config.seed),
        "protocol": config.data.protocol,
        "split": config.data.split,
        "provenance": data.provenance,
        "fingerprint": data.fingerprint,
        "ray_version": ray.__version__,
        **git_tags(),
    }
