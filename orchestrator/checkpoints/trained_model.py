"""A trained model from its checkpoint, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.build import build_model
from equipose.models.model import PoseModel
from equipose.models.skeleton import NUM_JOINTS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.build import model_config
from equipose.orchestrator.training.config import TrainConfig, from_json
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.store import Store, open_store


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The model of a checkpoint, with the data it was trained on."""

    config: TrainConfig
    model: PoseModel
    store: Store
    extra: dict[str, Any]
    """What `run_facts` says of it: data fingerprint, provenance and parameters."""

    def batches(self, rows: np.ndarray) -> BatchSource:
        """Batches of these rows of the store, made as in training."""
        return BatchSource(self.store, rows, self.config.data.batch)


def load_model(checkpoint: Path | str, *, store: Store | str | None = None) -> TrainedModel:
    """The model of a checkpoint folder, on the CPU. Raises DataError where it cannot be read.

    store: its data, opened, or where it is now; None is where it was when the model was trained.
    """
    state = checkpoints.load(checkpoint)
    config = from_json(state["config"])
    opened = store if isinstance(store, Store) else open_store(store or config.data.store)
    config = replace(config, data=replace(config.data, store=opened.path))
    model = build_model(
        model_config(config),
        views=config.data.batch.views,
        mean_pose=torch.zeros(NUM_JOINTS, 3),
        seed=config.seed,
    )
    if config.dtype == "float64":
        model = model.double()
    model.load_state_dict(state["model"])
    return TrainedModel(config=config, model=model, store=opened, extra=state["extra"])


def predict(
    checkpoint: Path | str, rows: np.ndarray, *, store: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction), each [len(rows), 17, 3] m, of the full model on rows of its store."""
    trained = load_model(checkpoint, store=store)
    truth, predicted = [], []
    with torch.no_grad(), evaluating(trained.model):
        for batch in trained.batches(rows).in_order():
            truth.append(batch.pose)
            predicted.append(trained.model(batch).pose)
    return torch.cat(truth).numpy(), torch.cat(predicted).numpy()
