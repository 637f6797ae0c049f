"""Chosen rows of the task as its passes show them, without hidden readings."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from equipose.balancing.run import Run
from equipose.models.batch import Batch, rows_of


def shown(run: Run, rows: Tensor) -> Iterator[Batch]:
    """This rank's share of the given training rows [K] of the task, with visible readings only.

    `Run.rows` would show every reading, those that do not fit what was recorded too. Takes a pass over the
    task's data.
    """
    for batch in run.batches():
        kept = torch.isin(batch.index, rows.to(batch.index.device))
        if bool(kept.any()):
            yield rows_of(batch, kept)


def spread(rows: Tensor, most: int) -> Tensor:
    """At most `most` of rows [N], evenly spaced.

    Examples:
        >>> spread(torch.arange(10), 4).tolist()
        [0, 3, 6, 9]
    """
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most, dtype=torch.float64).round().long()]
