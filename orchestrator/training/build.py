"""From a config to the objects that train: store, batches, model, method, optimiser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from equipose.balancing.registry import build_method
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import fingerprint, mean_pose, provenance_label, sources
from equipose.orchestrator.training.loop import Training
from equipose.orchestrator.training.ranks import Ranks
from equipose.pipelines.store import Store


def model_config(config: TrainConfig) -> ModelConfig:
    """The run's model, with the unimodal heads that its method needs."""
    heads = config.model.unimodal_heads or "unimodal_heads" in build_method(config.method).needs
    return replace(config.model, unimodal_heads=heads)


def own_device() -> torch.device:
    """The accelerator that this process was given, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def run_facts(training: Training, store: Store, config: TrainConfig) -> dict[str, Any]:
    """What a run's checkpoints carry beside its state, for those who read its numbers."""
    return {
        "fingerprint": fingerprint(store, config.data),
        "provenance": provenance_label(store),
        "parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
    }


def build_training(
    config: TrainConfig, *, ranks: Ranks | None = None, device: torch.device | None = None
) -> tuple[Training, Store]:
    """Everything of a run at epoch 0, ready for `fit`; the model is not wrapped for DDP yet."""
    ranks, device = ranks or Ranks(), device or torch.device("cpu")
    dtype = torch.float64 if config.dtype == "float64" else torch.float32
    store, parts = sources(config.data)
    method = build_method(config.method)
    model: PoseModel = build_model(
        model_config(config), mean_pose=mean_pose(parts["train"]), seed=config.seed
    )
    model = model.to(device=device, dtype=dtype)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=config.optimizer.lr, weight_decay=config.optimizer.weight_decay
    )
    training = Training(
        model=model,
        wrapped=model,
        method=method,
        optimizer=optimizer,
        schedule=config.optimizer,
        train=parts["train"],
        validation=parts["validation"],
        epochs=config.epochs,
        seed=config.seed,
        value_function=config.value_function,
        ranks=ranks,
        device=device,
        dtype=dtype,
    )
    return training, store
