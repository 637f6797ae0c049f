"""How a protocol divides the rows of a store, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from equipose.pipelines.files.errors import DataError

PARTS: tuple[str, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a protocol divides the rows of a store into parts."""

    splits: tuple[str, ...]
    """Its usual splits; `assign` may know more."""
    assign: Callable[[pl.DataFrame, str], pl.DataFrame]
    """(index, split) -> the index with a column `use`: `train`, `validation`, `test` or null. Raises
    ValueError for an unknown split, and DataError for a store that the protocol does not fit."""
    root_relative: bool = False
    """Whether its 3D poses, in camera axes, are learnt and judged relative to the pelvis."""
    joints: tuple[int, ...] | None = None
    """Joints that its poses have: no other may be judged; None: all 17."""
    within_task: Callable[[pl.DataFrame, str], pl.DataFrame] | None = None
    """(index, what tasks differ by) -> the same for every task of a stream; None where it has no tasks."""


def unfit(protocol: str, split: str, why: str) -> DataError:
    """The error of a store that a split cannot divide."""
    return DataError(f"protocol {protocol}, split {split}, does not fit this store: {why}")
