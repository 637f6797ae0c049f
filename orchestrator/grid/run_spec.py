"""Cells: training runs known by what they depend on, so that equal ones are trained once and kept.

A grid of runs (a comparison of methods, the paper's tables) is a list of cells. A cell's folder is named
after everything its numbers depend on; tables that need the same run find the same folder, and a changed
setting or data set changes the names of just the cells that depend on it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json
from equipose.orchestrator.training.data import fingerprint
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store import open_store

FORMAT = 3
"""Raised when the meaning of what a cell keeps changes; older cells are then trained again."""
RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run of a grid: what to train, and whether to read the test part afterwards."""

    name: str
    """For people: progress, MLflow. Not part of the identity."""
    config: TrainConfig
    stage: str = "test"
    """What it is for, as a tag in MLflow; not part of the identity either."""
    workers: int = 1
    """DDP ranks; part of the identity, since batch statistics are each rank's own."""
    evaluate: bool = True
    """Read the test part when trained; off while tuning, which may look at validation subjects only."""
    select: Literal["best", "last"] = "best"
    """Which checkpoint is tested: the best on validation, or the last (the papers do not say)."""

    @property
    def evaluation(self) -> str:
        """Name of the evaluation's folder."""
        return f"test-{self.select}"

    @property
    def data_fingerprint(self) -> str:
        """Of the frames the cell is trained and judged on."""
        data = self.config.data
        return _fingerprint(data.store, data.protocol, data.split, data.train_stride)

    @property
    def key(self) -> str:
        """16 hex digits that stand for everything the trained weights depend on."""
        settings = to_json(self.config)
        del settings["data"]["store"]  # where the frames lie; the fingerprint says what they are
        content = [FORMAT, settings, self.workers, self.data_fingerprint]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=64)
def _fingerprint(store: str, protocol: str, split: str, stride: int) -> str:
    data = DataConfig(store=store, protocol=protocol, split=split, train_stride=stride)
    return fingerprint(open_store(store), data)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a trained cell leaves besides its weights."""

    key: str
    config: TrainConfig
    fingerprint: str
    provenance: str
    parameters: int
    """Trainable weights."""
    history: tuple[dict[str, float], ...]
    """Metrics of every epoch under their tracking names."""
    folder: Path
    """Where it lies; not kept in the file."""

    @property
    def best(self) -> dict[str, float]:
        """Metrics of the epoch with the least validation error."""
        return self.history[int(self.history[-1]["best/epoch"])]

    @property
    def validation_mm(self) -> float:
        """The least validation MPJPE over all epochs, mm: what tuning goes by."""
        return self.history[-1]["best/mpjpe_mm"]

    def series(self, name: str) -> list[float]:
        """A metric over the epochs; NaN where an epoch has none."""
        return [epoch.get(name, float("nan")) for epoch in self.history]

    def costs(self) -> dict[str, float]:
        """Parameters, median seconds per epoch, share of the time that Shapley scores take, peak memory.

        Times are those of the machine as it was, with whatever ran beside the cell.
        """
        seconds = {part: statistics.median(self.series(f"time/{part}_s")) for part in TIMES}
        epoch = seconds["train"] + seconds["validation"]
        return {
            "parameters": float(self.parameters),
            "epoch_s": epoch,
            "shapley_share": seconds["shapley"] / epoch,
            "peak_memory_mib": max(self.series("memory/peak_mib")),
        }

    def save(self) -> None:
        """Write `result.json`; from then on the cell counts as trained."""
        plain = asdict(self) | {"format": FORMAT, "config": to_json(self.config)}
        del plain["folder"]
        partial = self.folder / f".{RESULT}.partial"
        with partial.open("w") as file:
            json.dump(plain, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / RESULT)

    @classmethod
    def load(cls, folder: Path) -> RunResult | None:
        """The result of a cell's folder, or None when it is not trained yet.

        Raises DataError when the file is damaged.
        """
        path = folder / RESULT
        if not path.exists():
            return None
        try:
            plain: dict[str, Any] = json.loads(path.read_text())
            found = plain.pop("format")
            if found != FORMAT:
                raise ValueError(f"format {found!r}, expected {FORMAT}")
            config = from_json(plain.pop("config"))
            return cls(**{**plain, "config": config, "history": tuple(plain["history"]), "folder": folder})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}: not a cell's result ({error}); delete the folder to train it again"
            ) from error


TIMES = ("train", "validation", "shapley")
