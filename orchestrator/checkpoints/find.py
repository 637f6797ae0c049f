"""The checkpoint that a path means: one checkpoint's own folder, or the best of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.layout import PREFIX
from equipose.orchestrator.checkpoints.resume_point import newest_readable
from equipose.pipelines.files.errors import DataError

BEST = "best"
"""Where a run of a comparison keeps the checkpoint with the least validation error."""


def find_checkpoint(path: Path | str) -> Path:
    """Folder of the checkpoint that `path` means.

    path: a checkpoint's folder or its `state.pt`; or the folder of a run, of which it is the checkpoint with
    the least validation error. Raises DataError where there is none.
    """
    path = Path(path)
    if path.is_file():
        if path.name != checkpoints.FILE:
            raise DataError(f"{path}: not a checkpoint; give the folder that holds {checkpoints.FILE}")
        return path.parent
    for folder in (path, path / BEST):
        if (folder / checkpoints.FILE).is_file():
            return folder
    return _best_of([file.parent for file in sorted(path.glob(f"{PREFIX}*/{checkpoints.FILE}"))], path)


def _best_of(folders: list[Path], run: Path) -> Path:
    if not folders:
        raise DataError(
            f"{run}: no checkpoint here; give the folder of a run, or one that holds {checkpoints.FILE}"
        )
    epochs: dict[Path, int] = {}

    def load(folder: Path) -> dict[str, Any]:
        state = checkpoints.load(folder)
        epochs[folder] = state["epoch"]
        return state

    state = newest_readable(folders, load).state
    if state is None:
        raise DataError(f"{run}: all its {len(folders)} checkpoints are damaged; train again")
    wanted = state["best_epoch"] + 1
    found = next((folder for folder, epoch in epochs.items() if epoch == wanted), None)
    if found is None:
        raise DataError(
            f"{run}: its best checkpoint, that after epoch {wanted}, is gone or damaged; "
            f"give another one of it, such as {folders[-1]}"
        )
    return found
