"""A trained model from its checkpoint, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.objectives.model_kinds import kind_of
from equipose.models.base import SensorModel
from equipose.models.baselines.config import BaselineConfig
from equipose.models.build import ModelConfig
from equipose.models.inputs import InputNorm, InputStatistics
from equipose.models.model import PoseModel
from equipose.models.sensors import sensor_of
from equipose.models.skeleton import NUM_JOINTS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.find import find_checkpoint
from equipose.orchestrator.training.build import new_model
from equipose.orchestrator.training.config import TrainConfig, from_json
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store import Store, open_store

POSE_UNIT = "m"
UNFUSED: dict[str, str] = {
    "aligned": "an aligned model, whose poses are sampled or retrieved",
    "baseline": "a baseline, which is told the box beside its one sensor",
}
"""Kind of model that fuses nothing -> what is said of it."""


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The model of a checkpoint and how it was trained; what needs frames is given a store."""

    checkpoint: Path
    """Folder that it was read from."""
    config: TrainConfig
    model: SensorModel
    """On the CPU, in evaluation mode."""
    extra: dict[str, Any]
    """What `run_facts` says of it: data fingerprint, provenance and parameters."""

    @property
    def fusion_model(self) -> PoseModel:
        """The model, where it fuses its sensors; ValueError for one of another kind."""
        if not isinstance(self.model, PoseModel):
            raise ValueError(
                f"{self.checkpoint} holds {UNFUSED[kind_of(self.config.model)]}; this takes a model that "
                "fuses its sensors"
            )
        return self.model

    def check_pose(self) -> None:
        """Raise ValueError for a model that has no pose to judge or to hand out."""
        if isinstance(self.config.model, BaselineConfig) and not self.config.model.lifts:
            raise ValueError(
                f"{self.checkpoint} holds heat maps, which find key points in a picture and have no pose; "
                "this takes a model with a pose, and `equipose train --work unihpe` judges key points"
            )

    @property
    def sensors(self) -> tuple[str, ...]:
        """Its sensors, in the order of M."""
        return self.model.modalities

    @property
    def units(self) -> dict[str, str]:
        """Sensor -> unit of its input; `pose` -> unit of what the model returns."""
        return {**{name: sensor_of(name).unit for name in self.sensors}, "pose": POSE_UNIT}

    @property
    def normalisation(self) -> dict[str, InputStatistics]:
        """Sensor -> centre and scale of every channel, which the model itself applies to its input."""
        norms = {name: norm for name, norm in self.model.inputs.items() if isinstance(norm, InputNorm)}
        return {
            name: InputStatistics(centre=tuple(norm.centre.tolist()), scale=tuple(norm.scale.tolist()))
            for name, norm in norms.items()
        }

    def open_store(self, store: Store | str | None = None) -> Store:
        """A store, opened where it is given as a path; None is where that of the training was then."""
        return store if isinstance(store, Store) else open_store(store or self.config.data.store)

    def batches(self, rows: np.ndarray, store: Store | str | None = None) -> BatchSource:
        """Batches of these rows of a store (see `open_store`), made as in training."""
        return BatchSource(self.open_store(store), rows, self.config.data.batch)


def load_model(checkpoint: Path | str) -> TrainedModel:
    """The model of a checkpoint, from its weights and plain values alone; no code in it is run.

    checkpoint: its folder, or that of a run, whose best checkpoint it is. The data is not needed. Raises
    DataError where the checkpoint is absent, damaged, or does not fit this version.
    """
    folder = find_checkpoint(checkpoint)
    state = checkpoints.load(folder)
    config = _config_of(state, folder)
    model = new_model(_without_file(config), torch.zeros(NUM_JOINTS, 3))
    if config.dtype == "float64":
        model = model.double()
    try:
        model.load_state_dict(state["model"])
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _unfit(folder, "weights are not those of its settings", error) from error
    return TrainedModel(checkpoint=folder, config=config, model=model.eval(), extra=state["extra"])


def _without_file(config: TrainConfig) -> TrainConfig:
    """The config of a model whose weights are about to be loaded: a file of first ones need not be there."""
    if not isinstance(config.model, ModelConfig) and config.model.image_weights:
        return replace(config, model=replace(config.model, image_weights=None))
    return config


def _config_of(state: dict[str, Any], folder: Path) -> TrainConfig:
    try:
        return from_json(state["config"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unfit(folder, "settings are not understood", error) from error


def _unfit(folder: Path, what: str, error: Exception) -> DataError:
    """torch lists every tensor on a line of its own; the first ones say enough."""
    why = " ".join(f"{type(error).__name__}: {error}".split())
    return DataError(
        f"{folder / checkpoints.FILE}: its {what} ({why[:300]}); use the version that wrote it, with the "
        "packages that its sensors come from, or train again"
    )


def predict(
    checkpoint: Path | str, rows: np.ndarray, *, store: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction), each [len(rows), 17, 3] m, of the full model on rows of its store."""
    trained = load_model(checkpoint)
    trained.check_pose()
    truth, predicted, dtype = [], [], next(trained.model.parameters()).dtype
    with torch.no_grad(), evaluating(trained.model):
        for batch in trained.batches(rows, store).in_order():
            batch = batch.to(dtype=dtype)
            truth.append(batch.pose)
            predicted.append(trained.model.fuse(trained.model.encode(batch), trained.model.present_of(batch)))
    return torch.cat(truth).numpy(), torch.cat(predicted).numpy()
