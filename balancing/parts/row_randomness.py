"""Random numbers that depend on the row of the data, not on its rank or position in the batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equipose.models.randomness import SPLITMIX64_STEP, splitmix64


def row_uniforms(index: Tensor, columns: int, rng: torch.Generator) -> Tensor:
    """[B, columns] float64 in [0, 1) for rows [B] of the store.

    One key is drawn from `rng` (`Step.rng`, equal on all ranks); `splitmix64` of key, row and column is the
    number. How rows are distributed over ranks makes no difference.
    """
    key = np.uint64(int(torch.randint(1 << 62, (), generator=rng)))
    rows = index.cpu().numpy().astype(np.uint64)
    columns_from_one = np.arange(1, columns + 1, dtype=np.uint64)
    mixed = splitmix64(splitmix64(rows + key)[:, None] + columns_from_one * SPLITMIX64_STEP)
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)
