"""Cuts one global order of rows into batches and the ranks' shares of them.

Global batch `k` of an order is `order[k * B:(k + 1) * B]`; rank `r` takes the `r`-th of equal runs of it, so
the ranks' shares, concatenated, are the batch that a single rank would load.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from equipose.models.batch import Batch, rows_of


def global_batches(length: int, size: int, world_size: int, drop_last: bool) -> list[tuple[int, int]]:
    """(start, stop) of the batches of `size` rows of an order of that length.

    `drop_last` leaves out the incomplete last batch, but an order shorter than one batch still gives one,
    cut so that all ranks get equal shares. Raises ValueError where ranks cannot share equally.
    """
    if size % world_size:
        raise ValueError(
            f"batch.batch_size {size} does not divide among {world_size} ranks; "
            f"use a multiple, such as {size + world_size - size % world_size}"
        )
    if not drop_last:
        return [(start, min(start + size, length)) for start in range(0, length, size)]
    if length < size:
        size = length - length % world_size
        if not size:
            raise ValueError(f"{length} rows cannot be shared by {world_size} ranks; use fewer ranks")
    return [(start, start + size) for start in range(0, length - size + 1, size)]


def share_of(start: int, stop: int, rank: int, world_size: int) -> slice:
    """The `rank`-th of `world_size` nearly equal runs of `range(start, stop)`."""
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must lie in [0, world_size={world_size}), got {rank}")
    length = stop - start
    return slice(start + rank * length // world_size, start + (rank + 1) * length // world_size)


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` different positions below `count`, ascending from 0, at equal steps."""
    kept = min(count, most)
    return np.arange(kept, dtype=np.int64) * count // kept


def split(batch: Batch, sizes: list[int]) -> Iterator[Batch]:
    """Consecutive batches of `sizes` rows, as views of one batch."""
    stops = np.cumsum(sizes).tolist()
    for start, stop in zip([0, *stops], stops, strict=False):
        yield rows_of(batch, slice(start, stop))
