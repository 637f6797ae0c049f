"""The state that an interrupted run continues from: that of its newest readable checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from equipose.pipelines.files.errors import DataError

logger = logging.getLogger(__name__)

Checkpoint = TypeVar("Checkpoint")
State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ResumePoint(Generic[Checkpoint]):
    """Where a run continues."""

    state: State | None
    """None: from the start."""
    notes: tuple[str, ...] = ()
    """Which checkpoints were skipped and why; empty when all is well."""
    readable: tuple[Checkpoint, ...] = ()
    """The readable checkpoints in order of epochs."""


def newest_readable(
    candidates: Iterable[Checkpoint], load: Callable[[Checkpoint], State]
) -> ResumePoint[Checkpoint]:
    """The latest of some checkpoints, by the epoch inside; damaged ones are skipped and named in the log.

    load: reads a checkpoint, raising DataError for a damaged one. No more than two states are held at once.
    """
    newest: State | None = None
    epochs: list[tuple[int, Checkpoint]] = []
    damaged: list[DataError] = []
    for candidate in candidates:
        try:
            state = load(candidate)
        except DataError as error:
            damaged.append(error)
            continue
        epochs.append((state["epoch"], candidate))
        if newest is None or state["epoch"] >= newest["epoch"]:
            newest = state
    if newest is None:
        remedy = "there is no other: starting again from epoch 0"
    else:
        remedy = f"continuing from the one after epoch {newest['epoch']}"
    notes = tuple(f"{error}; {remedy}" for error in damaged)
    for note in notes:
        logger.warning("%s", note)
    ordered = sorted(epochs, key=lambda found: found[0])
    return ResumePoint(state=newest, notes=notes, readable=tuple(checkpoint for _, checkpoint in ordered))
