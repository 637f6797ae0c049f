"""The function that Ray Train runs on every worker: the plain loop, plus logging and checkpoints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch

from orchestrator import checkpoints
from orchestrator.assembly import build_training, run_facts
from orchestrator.config import TrainConfig
from orchestrator.loop import Training
from orchestrator.ranks import Ranks
from orchestrator.run_epochs import run_epochs
from orchestrator.tracking import Tracked


def train_worker(payload: dict[str, Any]) -> dict[str, float]:
    """Train one run to its end, resuming from the newest checkpoint when Ray Train has one.

    `payload`: `config` (TrainConfig) and `tracked` (Tracked or None). Returns the last metrics.
    """
    config: TrainConfig = payload["config"]
    tracked: Tracked | None = payload["tracked"]
    training, store = build_training(config, ranks=Ranks.current(), device=ray.train.torch.get_device())
    facts = run_facts(training, store, config)
    _resume(training, config)
    training.wrapped = _distribute(training)
    if training.epoch == training.epochs:
        # It had ended, but whoever started it may have been killed before hearing so.
        ray.train.report(_reported(training))
    run_epochs(training, config, tracked, lambda result: _report(training, config, facts))
    return training.metrics


def _resume(training: Training, config: TrainConfig) -> None:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return
    with checkpoint.as_directory() as directory:
        checkpoints.restore(training, checkpoints.load(directory), config)


def _distribute(training: Training) -> torch.nn.Module:
    """DDP through Ray Train; with one worker the bare model, so that alone means alone."""
    if training.ranks.world_size == 1:
        return training.model
    wrapped: torch.nn.Module = ray.train.torch.prepare_model(training.model)
    return wrapped


def _reported(training: Training) -> dict[str, float]:
    """What Ray Train and Tune hear of the latest epoch; `epoch` counts the finished ones."""
    return {**training.metrics, "epoch": training.epoch}


def _report(training: Training, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Hand metrics and, from the first rank, a checkpoint to Ray Train; a barrier for all ranks."""
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = None
        if training.ranks.first:
            checkpoints.save(training, config, Path(directory), facts)
            checkpoint = ray.train.Checkpoint.from_directory(directory)
        ray.train.report(_reported(training), checkpoint=checkpoint)
