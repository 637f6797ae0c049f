"""How frames become batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from equipose.models.sensors import DEFAULT_SENSORS, SENSORS, Grid, PointsView, View, sensor_of
from equipose.models.sensors.views import check_view, view_type
from equipose.pipelines.batches.mirror import check_flip

__all__ = ["BatchConfig", "PointsView"]


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How frames become batches.

    >>> config = BatchConfig(modalities=("rgb", "lidar"), views={"lidar": PointsView(points=96)})
    >>> config.views["rgb"], config.views["lidar"].points
    (GridView(window=1, scale='absolute'), 96)
    """

    batch_size: int = 192
    """Rows of a global batch, all ranks together."""
    modalities: tuple[str, ...] = DEFAULT_SENSORS
    """Which sensors, in the order of M."""
    views: Mapping[str, View] = field(default_factory=dict, hash=False)
    """modality -> how its frames become inputs; what is left out takes the sensor's default. Holds all
    modalities once constructed, and no other."""
    context: tuple[str, ...] = ()
    """Signals that encoders are told beside the inputs, such as `box` and `intrinsics`."""
    targets: tuple[str, ...] = ()
    """Signals that are to be found besides the pose, such as `exact_keypoints`."""
    origin: Literal["sensor", "pelvis"] = "sensor"
    """What poses are relative to."""
    flip: float = 0.0
    """Share of training rows that are seen in a mirror, drawn anew every epoch; of triplets alone."""
    seed: int = 0
    """Of the epoch orders, of the choice of points and of mirrored rows."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch.batch_size must be at least 1, got {self.batch_size}")
        names = tuple(self.modalities)
        unknown = sorted(set(names) - set(SENSORS))
        if unknown or not names or len(set(names)) < len(names):
            raise ValueError(f"batch.modalities must be some of {tuple(SENSORS)}, each once, got {names}")
        if self.origin not in ("sensor", "pelvis"):
            raise ValueError(f"batch.origin must be 'sensor' or 'pelvis', got {self.origin!r}")
        for name in (*self.context, *self.targets):
            if not isinstance(sensor_of(name).layout, Grid):
                raise ValueError(f"batch.context and batch.targets take grids, {name} is none")
        check_flip(self.flip, (*names, *self.context, *self.targets), self.context)
        object.__setattr__(self, "views", {name: self._view(name) for name in names})

    def _view(self, name: str) -> View:
        sensor = sensor_of(name)
        given = self.views.get(name, sensor.view)
        try:
            if isinstance(given, Mapping):
                given = view_type(sensor.layout)(**given)
            check_view(sensor.layout, given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"batch.{name}: {error}") from error
        return given
