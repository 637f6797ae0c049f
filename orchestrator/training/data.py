"""The data of a run: the opened store, the rows of each part, and what identifies and describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from equipose.models.inputs import InputStatistics, measure
from equipose.models.randomness import numpy_rng
from equipose.models.sensors import Points, sensor_of
from equipose.models.skeleton import JOINTS, ROOT
from equipose.orchestrator.training.config import DataConfig
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.protocols import PARTS, division_of, select
from equipose.pipelines.sensor_validity import (
    Shares,
    doubtful,
    invalid_shares,
    require_poses,
    require_sensors,
)
from equipose.pipelines.store import Store, open_store

STATISTICS_ROWS = 512
"""Rows of the training part on which the scale of inputs is measured."""
EVALUATION_BATCH = 256
"""Rows that are evaluated together: small models spend more time between layers than in them."""
SAMPLE_ROWS = 256
"""Rows on which batch statistics and the error on training data are measured, every epoch."""

Rows = Mapping[str, NDArray[np.integer]]
"""`train`, `validation`, `test` -> rows of the store."""


def part_rows(store: Store, data: DataConfig, needed: Collection[str] = PARTS) -> Rows:
    """Rows of the store that `train`, `validation` and `test` use; those not needed may be empty."""
    found = select(store.index, data.protocol, data.split, needed)
    rows = {part: values.to_numpy() for part, values in found.items()}
    return {**rows, "train": rows["train"][:: data.train_stride]}


def provenance_label(store: Store) -> str:
    """`real data`, `simulated data` or `real and simulated data`, for captions and tags."""
    kinds = {kind.split(":")[0] for counts in store.provenance.values() for kind in counts}
    kinds.discard("absent")
    return " and ".join(sorted(kinds)) + " data"


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What a run trains, validates and tests on: opened once and passed on; costly facts are kept."""

    store: Store
    protocol: str
    split: str
    rows: Rows
    origin: Literal["sensor", "pelvis"] = "sensor"
    """What poses are relative to."""

    @classmethod
    def open(cls, config: DataConfig, store: Store | None = None, needed: Collection[str] = PARTS) -> RunData:
        """Open the store of a config, unless it is given, and select its rows.

        needed: parts that must have frames; data that only tests a model needs no other.

        Raises DataError where there is no store, where no frame has a valid pose, where a part has no
        frames, and where a sensor of the config has no valid frame in a part.
        """
        store = store or open_store(config.store)
        require_poses(store.index, store.defects, str(store.path))
        data = cls(
            store=store,
            protocol=config.protocol,
            split=config.split,
            rows=part_rows(store, config, needed),
            origin=config.batch.origin,
        )
        data.require(config.batch.modalities)
        return data

    def of_split(self, config: DataConfig, split: str) -> RunData:
        """The same store divided by another split; see `open` for errors."""
        return RunData.open(replace(config, split=split), self.store)

    @property
    def joints(self) -> tuple[int, ...] | None:
        """Joints that its poses have, where it is not all."""
        return division_of(self.protocol).joints

    @cached_property
    def _invalid(self) -> Shares:
        return invalid_shares(self.store.index, {part: rows for part, rows in self.rows.items() if len(rows)})

    def require(self, sensors: Sequence[str]) -> None:
        """Raise DataError for a sensor that has no valid frame in a part."""
        require_sensors(self._invalid, sensors, self.store.defects, str(self.store.path))

    def doubts(self, sensors: Sequence[str]) -> list[str]:
        """A sentence for every sensor of which a large share is invalid."""
        return doubtful(self._invalid, sensors)

    def source(self, part: str, batch: BatchConfig) -> BatchSource:
        """Batches of `train`, `validation` or `test`; the latter two at least `EVALUATION_BATCH` large."""
        size = batch.batch_size if part == "train" else max(batch.batch_size, EVALUATION_BATCH)
        return BatchSource(self.store, self.rows[part], replace(batch, batch_size=size))

    def training_sample(self, batch: BatchConfig) -> BatchSource:
        """Whole batches of training rows spread over the part, in mixed order, the same on every rank.

        About `SAMPLE_ROWS` rows, at least one batch; the whole part where it holds less than a batch.
        """
        rows, size = self.rows["train"], batch.batch_size
        batches = max(1, min(len(rows), SAMPLE_ROWS) // size)
        chosen = spread_rows(rows, batches * size)
        return BatchSource(self.store, numpy_rng(batch.seed, "training sample").permutation(chosen), batch)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what every number of a run depends on besides its settings.

        Dataset content, protocol, split, frame lists, joint order, alignment and units; two results are
        comparable only when it is equal.
        """
        rows = {part: hashlib.sha256(values.tobytes()).hexdigest() for part, values in self.rows.items()}
        content = {
            "store": self.store.fingerprint,
            "protocol": self.protocol,
            "split": self.split,
            "rows": rows,
            "joints": JOINTS,
            "alignment": "none" if self.origin == "sensor" else self.origin,
            "units": "metres in, millimetres out",
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def provenance(self) -> str:
        """Such as `simulated data`, see `provenance_label`."""
        return provenance_label(self.store)

    @cached_property
    def mean_pose(self) -> torch.Tensor:
        """[17, 3] m, the average training pose, relative to `origin`."""
        frames = self.store.index.filter(pl.col("row").is_in(self.rows["train"].astype(np.int64)))
        total, count = torch.zeros(17, 3, dtype=torch.float64), 0
        for (sequence,), rows in frames.group_by("sequence"):
            poses = self.store.sequence(int(sequence)).pose[rows["offset"].to_numpy()]
            total += torch.from_numpy(poses).double().sum(dim=0)
            count += len(poses)
        mean = (total / count).float()
        return mean if self.origin == "sensor" else mean - mean[ROOT]

    def input_statistics(self, batch: BatchConfig) -> dict[str, InputStatistics]:
        """Centre and scale of every modality's input over the training part, from evenly spaced rows of it.

        The same on every rank, because all of them look at the same rows.
        """
        chosen = spread_rows(self.rows["train"], STATISTICS_ROWS)
        [seen] = BatchSource(self.store, chosen, replace(batch, batch_size=len(chosen))).in_order()
        found: dict[str, InputStatistics] = {}
        for m, name in enumerate(batch.modalities):
            layout, present = sensor_of(name).layout, seen.present[:, m]
            usable = seen.masks[name] & present[:, None] if isinstance(layout, Points) else present
            found[name] = measure(layout, seen.inputs[name], usable)
        return found


def spread_rows(rows: NDArray[np.integer], most: int) -> NDArray[np.integer]:
    """At most `most` of the rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(np.int64))]


class OpenedData:
    """The data of many runs: a process opens every store, and every selection of rows, once.

    A copy sent to another process starts empty, so that the process opens its own.
    """

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}
        self._data: dict[tuple[str | int | tuple[str, ...], ...], RunData] = {}

    def of(self, config: DataConfig, needed: tuple[str, ...] = PARTS) -> RunData:
        """The data of a config, see `RunData.open`; configs that differ only in their batches share it."""
        key = (config.store, config.protocol, config.split, config.train_stride, config.batch.origin, needed)
        if key not in self._data:
            if config.store not in self._stores:
                self._stores[config.store] = open_store(config.store)
            self._data[key] = RunData.open(config, self._stores[config.store], needed)
        self._data[key].require(config.batch.modalities)
        return self._data[key]

    def __reduce__(self) -> tuple[type[OpenedData], tuple[()]]:
        return OpenedData, ()
