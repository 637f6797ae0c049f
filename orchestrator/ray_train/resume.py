"""Which checkpoint a Ray Train run resumes from, even if the newest is damaged or their list is lost."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
from pyarrow import fs

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.layout import PREFIX
from equipose.orchestrator.checkpoints.resume_point import newest_readable
from equipose.pipelines.files.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a worker resumes."""

    state: dict[str, Any] | None
    """None: from the start."""
    notes: tuple[str, ...] = ()
    """Which checkpoints were skipped and why; empty when all is well."""
    unlisted: tuple[Path, ...] = ()
    """Checkpoints in order of epochs that are missing from Ray Train's list, to be reported to it again."""


def find_state(newest: ray.train.Checkpoint | None, folder: Path | None) -> Found:
    """The state to resume from: the newest checkpoint's, or else that of the latest readable one beside it.

    newest: as Ray Train knows it, None without one. folder: of the run, where it is a local path.
    """
    if newest is not None:
        with contextlib.suppress(DataError):
            return Found(state=_load(newest))
        candidates = [newest, *_beside(newest)]
    else:
        paths = sorted(folder.glob(f"{PREFIX}*")) if folder else []
        candidates = [ray.train.Checkpoint(str(path)) for path in paths]
    found = newest_readable(candidates, _load)
    unlisted = () if newest else tuple(Path(checkpoint.path) for checkpoint in found.readable)
    return Found(state=found.state, notes=found.notes, unlisted=unlisted)


def readable(paths: Sequence[Path]) -> Path:
    """The first readable of some equally good checkpoints; if none is, the last, for its reader to report."""
    for path in paths[:-1]:
        try:
            checkpoints.load(path)
        except DataError as error:
            logger.warning("%s", error)
        else:
            return path
    return paths[-1]


def _load(checkpoint: ray.train.Checkpoint) -> dict[str, Any]:
    with checkpoint.as_directory() as directory:
        return checkpoints.load(directory)


def _beside(checkpoint: ray.train.Checkpoint) -> list[ray.train.Checkpoint]:
    """The other checkpoints of the same run, on whatever file system."""
    filesystem, path = checkpoint.filesystem, checkpoint.path.rstrip("/")
    entries = filesystem.get_file_info(fs.FileSelector(path.rpartition("/")[0]))
    return [
        ray.train.Checkpoint(entry.path, filesystem)
        for entry in sorted(entries, key=lambda entry: entry.path)
        if entry.type == fs.FileType.Directory
        and entry.base_name.startswith(PREFIX)
        and entry.path.rstrip("/") != path
    ]
