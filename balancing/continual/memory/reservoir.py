"""Which rows of a stream of unknown length a small memory keeps: each with the same probability.

Reservoir sampling (Vitter, ACM TOMS 1985, algorithm R). The decision on the n-th row offered depends on the
seed and on n alone, so ranks, batch sizes and interruptions make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from equipose.models.randomness import numpy_rng


@dataclass(frozen=True, kw_only=True)
class Reservoir:
    """A memory of `capacity` places; a value, changed only by `offered`.

    Examples:
        >>> empty = Reservoir(capacity=3, seed=0)
        >>> empty.offered(range(2)).rows
        (0, 1)
        >>> full = empty.offered(range(100))
        >>> full.seen, len(full.rows)
        (100, 3)
        >>> full == empty.offered(range(40)).offered(range(40, 100))
        True
    """

    capacity: int
    seed: int
    rows: tuple[int, ...] = ()
    """By place; the order matters for what comes later."""
    seen: int = 0
    """Rows offered so far."""

    def offered(self, rows: Iterable[int]) -> Reservoir:
        """The memory after these rows, in their order."""
        places, seen = list(self.rows), self.seen
        for row in rows:
            if len(places) < self.capacity:
                places.append(row)
            else:
                place = int(numpy_rng(self.seed, "reservoir", seen).integers(seen + 1))
                if place < self.capacity:
                    places[place] = row
            seen += 1
        return Reservoir(capacity=self.capacity, seed=self.seed, rows=tuple(places), seen=seen)
