"""Random sensor batches for the model tests; shapes as the pipelines deliver them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.sensors import DEFAULT_SENSORS, Grid, Points, sensor_of

MakeBatch = Callable[..., Batch]

RANGES: dict[str, tuple[list[float], list[float]]] = {
    "rgb": ([320, 320], [60, 60]),
    "lidar": ([0, 0, 3], [0.4, 0.4, 0.4]),
    "mmwave": ([0, 0, 3, 0, 20], [0.4, 0.8, 0.3, 0.5, 10.0]),
    "wifi": ([40], [4]),
}
"""Sensor -> mean and deviation of its channels, as real ones have; 0 and 1 for others."""


def random_batch(
    size: int = 6,
    *,
    window: int = 1,
    lidar: int = 40,
    mmwave: int = 20,
    order: tuple[str, ...] = DEFAULT_SENSORS,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Batch:
    """Values in the ranges of the real sensors; about a tenth of the points is padding."""
    rng = torch.Generator().manual_seed(seed)
    counts = {"lidar": lidar, "mmwave": mmwave}

    def drawn(name: str) -> torch.Tensor:
        layout = sensor_of(name).layout
        if isinstance(layout, Points):
            shape: tuple[int, ...] = (counts.get(name, 30), layout.channels)
        elif isinstance(layout, Grid):
            shape = (window, *layout.shape) if layout.temporal else layout.shape
        else:
            shape = (layout.channels, 32, 64)
        centre, scale = (torch.tensor(each, dtype=dtype) for each in RANGES.get(name, ([0], [1])))
        return centre + scale * torch.randn(size, *shape, generator=rng, dtype=dtype)

    inputs = {name: drawn(name) for name in order}
    masks = {
        name: torch.rand(inputs[name].shape[:2], generator=rng) < 0.9
        for name in order
        if isinstance(sensor_of(name).layout, Points)
    }
    return Batch(
        inputs=inputs,
        masks=masks,
        present=torch.ones(size, len(order), dtype=torch.bool),
        pose=0.5 * torch.randn(size, 17, 3, generator=rng, dtype=dtype)
        + torch.tensor([0, 0, 3], dtype=dtype),
        index=torch.arange(size),
    )


@pytest.fixture
def make_batch() -> MakeBatch:
    """Call it for a batch."""
    return random_batch
