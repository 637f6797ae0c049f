"""A checkpoint and the data that a verb uses it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equipose.orchestrator.checkpoints.trained_model import TrainedModel
    from equipose.pipelines.store import Store


def opened(checkpoint: Path, store: str | None) -> tuple[TrainedModel, Store]:
    """The model and the store that it is used on; None is the one it was trained on, where it was then.

    Raises DataError where either cannot be read.
    """
    from equipose.orchestrator.checkpoints.trained_model import load_model
    from equipose.pipelines.files.errors import DataError

    trained = load_model(checkpoint)
    try:
        return trained, trained.open_store(store)
    except DataError as error:
        if store is not None:
            raise
        raise DataError(f"the data of the training: {error}; or give other data with --store") from error
