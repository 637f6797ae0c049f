"""Kept runs: what one is to train, the key that identifies it, and the result it leaves.

A grid of runs (a comparison of methods, the paper's tables) is a list of specs. The folder of a run is named
after everything its numbers depend on: tables that need the same run share its folder, and a changed setting
or data set changes the names of only those runs that depend on it.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from equipose.models.build import ModelConfig
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json
from equipose.pipelines.files.atomic import remove_leftovers, write_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import Task

FORMAT = 5
"""Raised when the meaning of what a run keeps changes; older runs are then trained again."""
RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run of a grid: what to train, and whether to read the test part afterwards."""

    name: str
    """Shown in progress and MLflow; not part of the key."""
    config: TrainConfig
    method: str = ""
    """Its method's name in tables, where that is not the registered one; not part of the key."""
    stage: str = "test"
    """What the run is for, a tag in MLflow; not part of the key either."""
    workers: int = 1
    """DDP ranks; part of the key, since each rank has its own batch statistics."""
    evaluate: bool = True
    """Evaluate on the test part after training; off while tuning, which sees the validation part only."""
    routes: bool = True
    """Also evaluate the routes of a model that has some on the test part; off while tuning."""
    refit: bool = False
    """Also test what its features are worth under a head fitted for every subset of sensors."""
    select: Literal["best", "last"] = "best"
    """Which checkpoint is tested: the best on validation, or the last (the papers do not say)."""
    init_from: RunSpec | None = None
    """The run at whose end this one starts, at the checkpoint that is tested there; None starts anew."""
    tested_on: tuple[Task, ...] = ()
    """Tasks on whose test parts it is evaluated too, each by itself, whatever it was trained on."""
    tested_also: tuple[tuple[str, DataConfig], ...] = ()
    """Name and data of other test parts on which the routes of a model that has some are evaluated too."""

    @property
    def evaluation(self) -> str:
        """Name of the folder of its evaluation."""
        return f"test-{self.select}"

    @property
    def evaluations(self) -> dict[str, DataConfig]:
        """Name of the folder of every evaluation -> the data whose test part is evaluated."""
        data = self.config.data
        own = {self.evaluation: data} if self.evaluate else {}
        return own | {self.evaluation_on(task): replace(data, split=task.split) for task in self.tested_on}

    @property
    def alignments(self) -> dict[str, DataConfig]:
        """Of a model whose routes are tested: name of the folder of what they give -> the data."""
        if isinstance(self.config.model, ModelConfig) or not self.routes:
            return {}
        own = {f"aligned-{self.select}": self.config.data}
        return own | {f"aligned-{self.select}-{name}": data for name, data in self.tested_also}

    def evaluation_on(self, task: Task) -> str:
        """Name of the folder of its evaluation on a task."""
        return f"{self.evaluation}-{task.name}"

    @property
    def line(self) -> list[RunSpec]:
        """The runs that lead to it, from the first, and itself."""
        return [*(self.init_from.line if self.init_from else ()), self]

    @property
    def refitted(self) -> str:
        """Name of the file of errors under refitted heads."""
        return f"refit-{self.select}.parquet"

    def key(self, fingerprint: str, parent: str | None = None) -> str:
        """16 hex digits that stand for everything the trained weights depend on.

        fingerprint: of the run's data; a spec only knows where its store is, not what is in it. parent: the
        key of the run at whose end it starts.
        """
        settings = to_json(self.config)
        del settings["data"]["store"]
        content: list[Any] = [FORMAT, settings, self.workers, fingerprint]
        if self.init_from is not None:
            content += [parent, self.init_from.select]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a trained run leaves besides its weights."""

    key: str
    config: TrainConfig
    fingerprint: str
    provenance: str
    parameters: int
    """Trainable weights."""
    history: tuple[dict[str, float], ...]
    """Metrics of every epoch under their tracking names."""
    folder: Path
    """Of the run; not part of the file."""

    @property
    def best(self) -> dict[str, float]:
        """Metrics of the epoch with the least validation error."""
        return self.history[int(self.history[-1]["best/epoch"])]

    @property
    def validation_mm(self) -> float:
        """The least validation MPJPE over all epochs, mm; tuning selects by it."""
        return self.history[-1]["best/mpjpe_mm"]

    @property
    def training_mm(self) -> float:
        """MPJPE on training rows in evaluation mode, at the epoch with the least validation error, mm."""
        return self.best["train/mpjpe_mm"]

    def series(self, name: str) -> list[float]:
        """A metric over the epochs; NaN where an epoch has none."""
        return [epoch.get(name, float("nan")) for epoch in self.history]

    def costs(self) -> dict[str, float]:
        """Parameters, median seconds per epoch, share of the time that Shapley scores take, peak memory.

        Times include the effect of other work on the machine.
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
        """Write `result.json`, which marks the run as trained; the caller holds the lock of the folder."""
        plain = asdict(self) | {"format": FORMAT, "config": to_json(self.config)}
        del plain["folder"]
        remove_leftovers(self.folder / RESULT)
        write_json(self.folder / RESULT, plain)

    @classmethod
    def load(cls, folder: Path) -> RunResult | None:
        """The result in the folder of a run, or None when it is not trained yet.

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
                f"{path}: not the result of a run ({error}); delete the folder to train it again"
            ) from error


TIMES = ("train", "validation", "shapley")
