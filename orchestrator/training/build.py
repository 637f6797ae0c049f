"""From a config to the objects that train: store, batches, model, method, optimiser."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch

from equipose.balancing.registry import build_method
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.skeleton import JOINTS
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import Training
from equipose.orchestrator.training.ranks import Ranks
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.protocols import select
from equipose.pipelines.store import Store, open_store


def part_rows(store: Store, data: DataConfig) -> dict[str, np.ndarray]:
    """Rows of the store that `train`, `validation` and `test` use."""
    rows = {
        part: values.to_numpy() for part, values in select(store.index, data.protocol, data.split).items()
    }
    return {**rows, "train": rows["train"][:: data.train_stride]}


def sources(data: DataConfig) -> tuple[Store, dict[str, BatchSource]]:
    """The opened store and one batch source per part (`train`, `validation`, `test`)."""
    store = open_store(data.store)
    parts = part_rows(store, data)
    return store, {part: BatchSource(store, rows, data.batch) for part, rows in parts.items()}


def fingerprint(store: Store, data: DataConfig) -> str:
    """Hash of what every number of a run depends on besides its settings.

    Dataset content, protocol, split, frame lists, joint order, alignment and units; two results are
    comparable only when it is equal.
    """
    parts = part_rows(store, data)
    rows = {part: hashlib.sha256(values.tobytes()).hexdigest() for part, values in parts.items()}
    content = {
        "store": store.fingerprint,
        "protocol": data.protocol,
        "split": data.split,
        "rows": rows,
        "joints": JOINTS,
        "alignment": "none",
        "units": "metres in, millimetres out",
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def provenance_label(store: Store) -> str:
    """`real data`, `simulated data` or `real and simulated data`, for captions and tags."""
    kinds = {kind.split(":")[0] for counts in store.provenance.values() for kind in counts}
    kinds.discard("absent")
    return " and ".join(sorted(kinds)) + " data"


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


def mean_pose(source: BatchSource) -> torch.Tensor:
    """[17, 3] m, the average training pose."""
    frame = source.store.index.filter(pl.col("row").is_in(source.rows)).group_by("sequence")
    total, count = torch.zeros(17, 3, dtype=torch.float64), 0
    for (sequence,), rows in frame:
        poses = source.store.sequence(int(sequence)).pose[rows["offset"].to_numpy()]
        total += torch.from_numpy(poses).double().sum(dim=0)
        count += len(poses)
    return (total / count).float()


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
