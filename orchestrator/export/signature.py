"""What an exported model takes: one input per sensor, and one for which of its points are real.

Legend: B batch, which stays free, N points, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.models.inputs import channel_axis
from equipose.models.randomness import derive_seed
from equipose.models.sensors import Grid, GridView, Image, ImageView, Points, PointsView, sensor_of
from equipose.orchestrator.checkpoints.trained_model import TrainedModel

MASK = "_mask"
"""End of the name of the input that says which points of a cloud are real."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input; its tensor has the batch before `shape`."""

    sensor: str
    shape: tuple[int, ...]
    """Without the batch."""
    dtype: torch.dtype

    @property
    def is_mask(self) -> bool:
        """Whether it says which points are real, instead of what was measured."""
        return self.dtype == torch.bool

    @property
    def name(self) -> str:
        """The sensor's, or `lidar_mask`."""
        return self.sensor + MASK if self.is_mask else self.sensor


def chosen_sensors(trained: TrainedModel, sensors: Sequence[str]) -> tuple[str, ...]:
    """Those of the model that are named, in its order; all of them where none is. ValueError for others."""
    unknown = [name for name in sensors if name not in trained.sensors]
    if unknown:
        raise ValueError(f"sensors={unknown}: the model has {list(trained.sensors)}; name some of those")
    return tuple(name for name in trained.sensors if not sensors or name in sensors)


def inputs_of(trained: TrainedModel, sensors: Sequence[str] = ()) -> tuple[Input, ...]:
    """The inputs of these sensors of a model, by default of all, in the model's order."""
    dtype = next(trained.model.parameters()).dtype
    found = []
    for name in chosen_sensors(trained, sensors):
        shape = _shape(trained, name)
        found.append(Input(sensor=name, shape=shape, dtype=dtype))
        if isinstance(sensor_of(name).layout, Points):
            found.append(Input(sensor=name, shape=shape[:1], dtype=torch.bool))
    return tuple(found)


def _shape(trained: TrainedModel, name: str) -> tuple[int, ...]:
    """Of a batch's input without the batch, see `Batch.inputs`."""
    layout, view = sensor_of(name).layout, trained.config.data.batch.views[name]
    if isinstance(layout, Image):
        assert isinstance(view, ImageView)
        height, width = (-(-side // view.stride) for side in (layout.height, layout.width))
        return layout.channels, height, width
    if isinstance(layout, Points):
        assert isinstance(view, PointsView)
        return view.points, layout.channels
    assert isinstance(layout, Grid)
    assert isinstance(view, GridView)
    return (view.window, *layout.shape) if layout.temporal else layout.shape


def example(trained: TrainedModel, inputs: Sequence[Input], rows: int, seed: int = 0) -> dict[str, Tensor]:
    """Made-up values of these inputs, name -> [rows, ...], spread as those of the training part were.

    Of a cloud all but some of the last points are real.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "export"))
    values = {}
    for item in inputs:
        if item.is_mask:
            most = item.shape[0]
            counts = torch.randint((most + 1) // 2, most + 1, (rows, 1), generator=generator)
            values[item.name] = torch.arange(most) < counts
            continue
        noise = torch.randn(rows, *item.shape, generator=generator)
        norm = trained.normalisation[item.sensor]
        form = [1] * noise.dim()
        form[channel_axis(sensor_of(item.sensor).layout)] = -1
        centre, scale = (torch.tensor(numbers).view(form) for numbers in (norm.centre, norm.scale))
        values[item.name] = (centre + scale * noise).to(item.dtype)
    return values
