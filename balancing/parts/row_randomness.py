"""Random numbers that belong to a row of the data, whichever rank and place in the batch it has."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STEP = np.uint64(0x9E3779B97F4A7C15)


def row_uniforms(index: Tensor, columns: int, rng: torch.Generator) -> Tensor:
    """[B, columns] float64 in [0, 1) for rows [B] of the store.

    One key is drawn from `rng` (`Step.rng`, equal on all ranks); row and column then decide the number by
    the splitmix64 mixer (Steele et al. 2014). A batch shared out differently gives the same numbers.
    """
    key = np.uint64(int(torch.randint(1 << 62, (), generator=rng)))
    rows = index.cpu().numpy().astype(np.uint64)
    mixed = _mix(_mix(rows + key)[:, None] + np.arange(1, columns + 1, dtype=np.uint64) * _STEP)
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64; products wrap around."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
