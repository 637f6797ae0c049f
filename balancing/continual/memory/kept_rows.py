"""Rows of earlier tasks, which of their readings were visible, and what else was noted of them.

A memory of 200 rows is a few kilobytes, whatever the sensors: the readings stay in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equipose.balancing.continual.shown import shown
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import Run
from equipose.models.batch import Batch

PRESENT, TARGET = "present", "target"


@dataclass(frozen=True, kw_only=True)
class KeptRows:
    """K rows in ascending order with one entry of every column per row; a value, never edited."""

    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """[K] int64 rows of the store, ascending."""
    columns: dict[str, Tensor] = field(default_factory=dict)
    """`present` [K, M] bool, readings visible when the row was kept; `target` [K, 17, 3] m, a prediction."""

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, at: Tensor) -> KeptRows:
        """The rows at positions [k], or where a mask [K] is True."""
        return KeptRows(rows=self.rows[at], columns={name: c[at] for name, c in self.columns.items()})

    def joined(self, other: KeptRows) -> KeptRows:
        """These rows and others; no row may be in both."""
        rows, order = torch.cat([self.rows, other.rows]).sort()
        names = self.columns.keys() | other.columns.keys()
        parts = [kept.columns for kept in (self, other) if len(kept)]
        return KeptRows(rows=rows, columns={n: torch.cat([part[n] for part in parts])[order] for n in names})

    def position(self, rows: Tensor) -> Tensor:
        """[n] where rows of the memory [n] are in it."""
        return torch.searchsorted(self.rows, rows.cpu())

    def holds(self, rows: Tensor) -> Tensor:
        """[n] bool on the device of `rows`: whether each is in the memory."""
        return torch.isin(rows, self.rows.to(rows.device))

    def visible(self, batch: Batch) -> Batch:
        """A batch of rows of the memory, without readings that were hidden when they were kept."""
        seen = self.columns[PRESENT][self.position(batch.index)]
        return replace(batch, present=batch.present & seen.to(batch.present.device))

    def state_dict(self) -> dict[str, Any]:
        """Rows and columns."""
        return {"rows": self.rows, "columns": self.columns}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> KeptRows:
        """Inverse of `state_dict`, on the CPU."""
        return cls(
            rows=state["rows"].cpu(), columns={name: value.cpu() for name, value in state["columns"].items()}
        )


def recorded(run: Run, rows: Tensor, *, targets: bool = False) -> KeptRows:
    """Training rows [K] of the task with their visible readings; `targets` adds the model's predictions.

    Predictions are of one pass in evaluation mode and the model's precision. Every rank notes the rows of its
    share, and one reduction joins them, so all ranks keep the same.
    """
    rows = rows.sort().values
    if not len(rows):
        return KeptRows()
    first = next(run.model.parameters())
    sensors, device = len(run.model.modalities), first.device
    table = torch.zeros(len(rows), sensors + 51 * targets + 1, dtype=torch.float64, device=device)
    with torch.no_grad(), evaluating(run.model):
        for batch in shown(run, rows):
            noted = [batch.present.double()]
            if targets:
                noted.append(run.model(batch).pose.double().flatten(1))
            noted.append(torch.ones(len(batch), 1, dtype=torch.float64, device=device))
            table[torch.searchsorted(rows, batch.index.cpu()).to(device)] = torch.cat(noted, dim=1)
    joined = run.mean(table).cpu()
    # The last column averages to one over the number of ranks.
    joined = joined[:, :-1] / joined[:, -1:]
    columns = {PRESENT: joined[:, :sensors] > 0.5}
    if targets:
        columns[TARGET] = joined[:, sensors:].reshape(-1, 17, 3).to(first.dtype)
    return KeptRows(rows=rows, columns=columns)


def in_rounds(size: int, count: int, rng: np.random.Generator) -> Tensor:
    """[count] int64 positions below `size`, one random order after another: visits differ by at most one."""
    rounds = [rng.permutation(size) for _ in range(-(-count // size))]
    return torch.from_numpy(np.concatenate(rounds)[:count].astype(np.int64))
