"""Which checkpoint a Ray Train run goes on from, also when the newest is damaged or their list is lost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
from pyarrow import fs

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.ray_train.run_folder import PREFIX
from equipose.pipelines.files.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a worker goes on from."""

    state: dict[str, Any] | None
    """None: from the start."""
    notes: tuple[str, ...] = ()
    """What was passed over, for people; empty when nothing was wrong."""
    unlisted: tuple[Path, ...] = ()
    """Checkpoints in order of epochs that Ray Train's list has lost, to be reported to it once more."""


def find_state(newest: ray.train.Checkpoint | None, folder: Path | None) -> Found:
    """The state to go on from: the newest checkpoint's, or else the latest of the others that can be read.

    newest: what Ray Train gives, None without one. folder: of the run, where it is a local path.
    """
    notes: list[str] = []
    if newest is not None:
        state = _read(newest, notes)
        if state is not None:
            return Found(state=state)
        others = _beside(newest)
    else:
        paths = sorted(folder.glob(f"{PREFIX}*")) if folder else []
        others = [ray.train.Checkpoint(str(path)) for path in paths]
    # By their epochs: names hold times of day, and clocks are set back.
    states = [(state, other) for other in others if (state := _read(other, notes)) is not None]
    states.sort(key=lambda found: found[0]["epoch"])
    last = states[-1][0] if states else None
    goes_on = f"going on from the one after epoch {last['epoch']}" if last else "no other: beginning anew"
    return Found(
        state=last,
        notes=tuple(f"{note}; {goes_on}" for note in notes),
        unlisted=() if newest else tuple(Path(other.path) for _, other in states),
    )


def readable(paths: Sequence[Path]) -> Path:
    """The first of some equally good checkpoints that can be read. Raises the last one's DataError."""
    for path in paths[:-1]:
        try:
            checkpoints.load(path)
        except DataError as error:
            logger.warning("%s", error)
        else:
            return path
    return paths[-1]


def _read(checkpoint: ray.train.Checkpoint, notes: list[str]) -> dict[str, Any] | None:
    with checkpoint.as_directory() as directory:
        try:
            return checkpoints.load(directory)
        except DataError as error:
            notes.append(str(error))
            logger.warning("%s", error)
            return None


def _beside(checkpoint: ray.train.Checkpoint) -> list[ray.train.Checkpoint]:
    """The other checkpoints of the same run, wherever it is kept."""
    filesystem, path = checkpoint.filesystem, checkpoint.path.rstrip("/")
    entries = filesystem.get_file_info(fs.FileSelector(path.rpartition("/")[0]))
    return [
        ray.train.Checkpoint(entry.path, filesystem)
        for entry in sorted(entries, key=lambda entry: entry.path)
        if entry.type == fs.FileType.Directory
        and entry.base_name.startswith(PREFIX)
        and entry.path.rstrip("/") != path
    ]
