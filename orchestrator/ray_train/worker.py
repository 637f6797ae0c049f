"""The function that Ray Train runs on every worker: the plain loop, plus logging and checkpoints."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.ray_train.parent_watch import end_with_parent
from equipose.orchestrator.ray_train.resume import find_state
from equipose.orchestrator.ray_train.run_folder import SCRATCH
from equipose.orchestrator.tracking.runs import Tracked
from equipose.orchestrator.training.build import build_training, run_facts
from equipose.orchestrator.training.config import TrainConfig, from_text
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.logged_run import run_epochs
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.start import start_at
from equipose.orchestrator.training.state import Training


def train_worker(payload: dict[str, Any]) -> dict[str, float]:
    """Train one run to its end, resuming from the newest checkpoint when Ray Train has one.

    If that one is damaged, it resumes from the one before, and the tag `recovered` of the MLflow run says so.
    payload: `config` (the text of a TrainConfig), `tracked` (Tracked or None), `folder`, the run's if it
    is a local path, else None, and `start`, that of the checkpoint of another run at which it starts, or
    None. Returns the last metrics.
    """
    end_with_parent()
    config = from_text(payload["config"])
    tracked: Tracked | None = payload["tracked"]
    folder: Path | None = payload["folder"]
    data = RunData.open(config.data)
    training = build_training(config, data, ranks=Ranks.current(), device=ray.train.torch.get_device())
    facts = run_facts(training, data)
    notes = _resume(training, config, folder)
    if training.epoch == 0 and payload["start"] is not None:
        start_at(training, checkpoints.load(payload["start"]), config, data)
    training.wrapped = _distribute(training)
    if training.epoch == training.epochs:
        # It had ended, but the process that started it may have been killed before receiving the result.
        ray.train.report(_reported(training))
    run_epochs(training, config, tracked, lambda result: _report(training, config, facts, folder), notes)
    return training.metrics


def _resume(training: Training, config: TrainConfig, folder: Path | None) -> tuple[str, ...]:
    """Restore the state of the run; returns the notes on checkpoints that were skipped."""
    found = find_state(ray.train.get_checkpoint(), folder)
    for path in found.unlisted:
        _list_again(training, path)
    if found.state is not None:
        checkpoints.restore(training, found.state, config)
    return found.notes


def _list_again(training: Training, path: Path) -> None:
    """Report a checkpoint that Ray Train has lost; Ray Train copies it, so the original is removed."""
    state = checkpoints.load(path)
    first = training.ranks.first
    checkpoint = ray.train.Checkpoint.from_directory(path) if first else None
    ray.train.report({**state["history"][-1], "epoch": state["epoch"]}, checkpoint=checkpoint)
    if first:
        shutil.rmtree(path)


def _distribute(training: Training) -> torch.nn.Module:
    """The model in DDP; with one worker the bare model."""
    if training.ranks.world_size == 1:
        return training.model
    wrapped: torch.nn.Module = ray.train.torch.prepare_model(training.model)
    return wrapped


def _reported(training: Training) -> dict[str, float]:
    """What Ray Train and Tune are told about the latest epoch; `epoch` counts the finished ones."""
    return {**training.metrics, "epoch": training.epoch}


def _report(training: Training, config: TrainConfig, facts: dict[str, Any], folder: Path | None) -> None:
    """Hand metrics and, from the first rank, a checkpoint to Ray Train; a barrier for all ranks.

    Ray Train copies the checkpoint from the run's own folder, which the next attempt clears after a kill.
    """
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as directory:
        checkpoint = None
        if training.ranks.first:
            checkpoints.save(training, config, Path(directory), facts)
            checkpoint = ray.train.Checkpoint.from_directory(directory)
        ray.train.report(_reported(training), checkpoint=checkpoint)
