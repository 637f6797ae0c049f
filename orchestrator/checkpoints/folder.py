"""The checkpoints that a run writes in its own process: the newest two, and the best that each names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.layout import PREFIX
from equipose.orchestrator.checkpoints.resume_point import ResumePoint, newest_readable
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.state import Training
from equipose.pipelines.files.errors import DataError

KEPT = 2
"""One to resume from, and the one before it in case the newest is damaged."""


class CheckpointFolder:
    """`checkpoint_00007/state.pt` after seven epochs; one process writes at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def newest(self) -> Path:
        """Folder of the latest checkpoint. Raises DataError when there is none."""
        paths = self._paths()
        if not paths:
            raise DataError(f"{self.folder}: no checkpoint here; train first")
        return paths[-1]

    @property
    def epochs(self) -> int:
        """How many have been trained, as the name of the latest checkpoint says; 0 before the first."""
        paths = self._paths()
        return int(paths[-1].name.removeprefix(PREFIX)) if paths else 0

    @property
    def best(self) -> Path:
        """Folder of the checkpoint with the least validation error, as the latest one names it."""
        return self._after(checkpoints.load(self.newest)["best_epoch"] + 1)

    def save(self, training: Training, config: TrainConfig, extra: dict[str, Any]) -> None:
        """Keep the state after an epoch, and remove those that are no longer needed."""
        path = self._after(training.epoch)
        path.mkdir(parents=True, exist_ok=True)
        checkpoints.save(training, config, path, extra)
        # Should the newest turn out damaged, the one before it still finds its own best.
        best = {self._after(int(metrics["best/epoch"]) + 1) for metrics in training.history[-KEPT:]}
        for old in self._paths()[:-KEPT]:
            if old not in best:
                shutil.rmtree(old)

    def resume_point(self) -> ResumePoint[Path]:
        """The newest state that is readable."""
        return newest_readable(self._paths(), checkpoints.load)

    def _after(self, epochs: int) -> Path:
        return self.folder / f"{PREFIX}{epochs:05d}"

    def _paths(self) -> list[Path]:
        """In order of epochs; a folder whose state could not be written is not counted."""
        return sorted(path.parent for path in self.folder.glob(f"{PREFIX}*/{checkpoints.FILE}"))
