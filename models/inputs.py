"""Scaling of inputs by what the training part holds, so that no encoder assumes where people stand.

Legend: B batch, C channels of a sensor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipose.models.sensors import Grid, Layout, Points

NORMAL_RANGE = 1.349
"""Interquartile range of a normal distribution with deviation 1."""


@dataclass(frozen=True, kw_only=True)
class InputStatistics:
    """Centre and scale of every channel of a sensor, over the training part."""

    centre: tuple[float, ...]
    scale: tuple[float, ...]


def channel_axis(layout: Layout) -> int:
    """Axis of a batch's input tensor along which channels lie."""
    if isinstance(layout, Grid):
        return layout.channel_axis + (2 if layout.temporal else 1)
    return 2 if isinstance(layout, Points) else 1


def measure(layout: Layout, inputs: Tensor, usable: Tensor) -> InputStatistics:
    """Median and robust deviation of the values of each channel.

    inputs: [B, ...] of a sensor, as in a batch. usable: bool [B], or [B, N] for points. x, y and z of points
    share one scale, so that distances keep their proportions. Without a usable value, and for a channel that
    is constant, the scale is 1.
    """
    values = (
        inputs[usable] if isinstance(layout, Points) else inputs[usable].movedim(channel_axis(layout), -1)
    )
    rows = values.reshape(-1, layout.channels).double().numpy()
    if not len(rows):
        return InputStatistics(centre=(0.0,) * layout.channels, scale=(1.0,) * layout.channels)
    centre, scale = _centre_and_scale(rows)
    if isinstance(layout, Points):
        scale[:3] = np.sqrt(np.mean(np.square(scale[:3])))
    return InputStatistics(centre=tuple(centre.tolist()), scale=tuple(scale.tolist()))


def _centre_and_scale(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, centre, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
    scale = (high - low) / NORMAL_RANGE
    scale = np.where(scale > 0, scale, rows.std(axis=0))
    return centre, np.where(scale > 0, scale, 1.0)


class InputNorm(nn.Module):
    """(x - centre) / scale per channel; kept with the model's weights, never trained."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.axis = channel_axis(layout)
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(layout.channels))
        self.register_buffer("scale", torch.ones(layout.channels))

    def fit(self, statistics: InputStatistics) -> None:
        """Take over the statistics of a training part."""
        self.centre.copy_(torch.tensor(statistics.centre))
        self.scale.copy_(torch.tensor(statistics.scale))

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs of the same shape."""
        shape = [1] * inputs.dim()
        shape[self.axis] = -1
        return (inputs - self.centre.view(shape)) / self.scale.view(shape)
