"""The data of a run: rows per part, batch sources, fingerprint, provenance and mean pose."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
import torch

from equipose.models.skeleton import JOINTS
from equipose.orchestrator.training.config import DataConfig
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


def mean_pose(source: BatchSource) -> torch.Tensor:
    """[17, 3] m, the average training pose."""
    frame = source.store.index.filter(pl.col("row").is_in(source.rows)).group_by("sequence")
    total, count = torch.zeros(17, 3, dtype=torch.float64), 0
    for (sequence,), rows in frame:
        poses = source.store.sequence(int(sequence)).pose[rows["offset"].to_numpy()]
        total += torch.from_numpy(poses).double().sum(dim=0)
        count += len(poses)
    return (total / count).float()
