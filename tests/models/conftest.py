"""Random sensor batches for the model tests; shapes as the pipelines deliver them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.modalities import MODALITIES

MakeBatch = Callable[..., Batch]


def random_batch(
    size: int = 6,
    *,
    window: int = 1,
    lidar: int = 40,
    mmwave: int = 20,
    order: tuple[str, ...] = MODALITIES,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Batch:
    """Values in the ranges of the real sensors; about a tenth of the points is padding."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=dtype)

    radar_scale = torch.tensor([0.4, 0.8, 0.3, 0.5, 10.0], dtype=dtype)
    inputs = {
        "rgb": 320 + 60 * normal(size, window, 17, 2),
        "lidar": 0.4 * normal(size, lidar, 3) + torch.tensor([0, 0, 3], dtype=dtype),
        "mmwave": radar_scale * normal(size, mmwave, 5) + torch.tensor([0, 0, 3, 0, 20], dtype=dtype),
        "wifi": 40 + 4 * normal(size, 3, 114, 10),
    }
    masks = {
        name: torch.rand(inputs[name].shape[:2], generator=rng) < 0.9
        for name in ("lidar", "mmwave")
        if name in order
    }
    return Batch(
        inputs={name: inputs[name] for name in order},
        masks=masks,
        present=torch.ones(size, len(order), dtype=torch.bool),
        pose=0.5 * normal(size, 17, 3) + torch.tensor([0, 0, 3], dtype=dtype),
        index=torch.arange(size),
    )


@pytest.fixture
def make_batch() -> MakeBatch:
    """Call it for a batch."""
    return random_batch
