"""The checkpoints of a run that trains without Ray Train: the newest two and the best, in one folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.loop import EpochResult, Training
from equipose.pipelines.files.errors import DataError

logger = logging.getLogger(__name__)

KEPT = 2
"""One to go on from, and the one before it, should the newest turn out damaged."""
BEST = "best"


class CheckpointFolder:
    """`epoch-00007/state.pt` after seven epochs, and `best/state.pt`, the one with the least error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[str] = []
        """What `load_newest` has passed over, and why."""

    @property
    def best(self) -> Path:
        """Folder of the best checkpoint."""
        return self.folder / BEST

    @property
    def newest(self) -> Path:
        """Folder of the latest checkpoint. Raises DataError when there is none."""
        paths = self._newest_first()
        if not paths:
            raise DataError(f"{self.folder}: no checkpoint here; train first")
        return paths[0]

    def save(
        self, training: Training, config: TrainConfig, extra: dict[str, Any], result: EpochResult
    ) -> None:
        """Keep the state after an epoch, drop the oldest."""
        if result.is_best:
            # First: whoever is killed in between trains this epoch again and finds the same.
            self._write(self.best, training, config, extra)
        self._write(self.folder / f"epoch-{training.epoch:05d}", training, config, extra)
        for old in self._newest_first()[KEPT:]:
            shutil.rmtree(old)

    def load_newest(self) -> dict[str, Any] | None:
        """The newest state that can be read, or None; a damaged one is named in the log and passed over."""
        for path in self._newest_first():
            try:
                return checkpoints.load(path)
            except DataError as error:
                self.damaged.append(f"{error}; going on from the checkpoint before it")
                logger.warning(self.damaged[-1])
        return None

    def _newest_first(self) -> list[Path]:
        """By number, not by time; a folder whose state could not be written is none."""
        return sorted((path.parent for path in self.folder.glob(f"epoch-*/{checkpoints.FILE}")), reverse=True)

    def _write(self, path: Path, training: Training, config: TrainConfig, extra: dict[str, Any]) -> None:
        path.mkdir(parents=True, exist_ok=True)
        checkpoints.save(training, config, path, extra)
