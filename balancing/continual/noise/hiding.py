"""Sets of readings, as the loop leaves them out: what joins them, and the control that hides others."""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.run import Hidden
from equipose.models.randomness import numpy_rng


def readings_of(known: Hidden | None, rows: Tensor, modalities: int) -> Tensor:
    """[N, M] bool: which readings of rows [N] are among the known ones."""
    if known is None:
        return torch.zeros(len(rows), modalities, dtype=torch.bool)
    return ~known.visible(rows)


def replaced(known: Hidden | None, rows: Tensor, readings: Tensor) -> Hidden:
    """The known readings, with those of rows [N] (ascending) replaced by readings [N, M] bool."""
    some = readings.any(dim=1)
    rows_now, readings_now = rows[some], readings[some]
    if known is not None:
        others = ~torch.isin(known.rows, rows)
        rows_now = torch.cat([known.rows[others], rows_now])
        readings_now = torch.cat([known.readings[others], readings_now])
    order = rows_now.argsort()
    return Hidden(rows=rows_now[order], readings=readings_now[order])


def as_many_at_random(readings: Tensor, present: Tensor, seed: int, *parts: int | str) -> Tensor:
    """[N, M] bool: of every sensor as many present readings as `readings` has, drawn at random.

    A larger choice holds every smaller one of the same seed, so that a reading that is hidden stays so.
    """
    chosen = torch.zeros_like(readings)
    for m, count in enumerate(readings.sum(dim=0).tolist()):
        own = present[:, m].nonzero()[:, 0]
        order = torch.from_numpy(numpy_rng(seed, "hidden at random", m, *parts).permutation(len(own)))
        chosen[own[order[:count]], m] = True
    return chosen
