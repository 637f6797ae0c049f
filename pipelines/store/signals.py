"""Which sensors a store holds, and the columns they have in its frame table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from equipose.models.sensors import DEFAULT_SENSORS, Grid, Image, Layout, Points, sensor_of
from equipose.models.sensors.layouts import layout_from_json, layout_to_json
from equipose.pipelines.sequence import POSE, POSE_LAYOUT, POSE_UNIT

L = TypeVar("L", Grid, Points, Image)


@dataclass(frozen=True, kw_only=True)
class StoredSignals:
    """The sensors of a store in order, then the pose, each with its layout and unit.

    They are written into the store, so that it opens where a sensor's definition is not installed.
    """

    layouts: dict[str, Layout]
    units: dict[str, str]

    @classmethod
    def of(cls, sensors: Iterable[str] = DEFAULT_SENSORS) -> StoredSignals:
        """Those of sensors by name; ValueError for unknown ones."""
        known = [sensor_of(name) for name in sensors]
        return cls(
            layouts={**{sensor.name: sensor.layout for sensor in known}, POSE: POSE_LAYOUT},
            units={**{sensor.name: sensor.unit for sensor in known}, POSE: POSE_UNIT},
        )

    @classmethod
    def from_json(cls, plain: Any) -> StoredSignals:
        """Inverse of `to_json`; ValueError for anything else."""
        if not isinstance(plain, list) or not plain:
            raise ValueError(f"sensors are {str(plain)[:80]}; a list of sensors is expected")
        for entry in plain:
            texts = [entry.get("name"), entry.get("unit")] if isinstance(entry, dict) else [None]
            if not all(isinstance(text, str) for text in texts) or entry["name"] == POSE:
                raise ValueError(f"a sensor is {str(entry)[:80]}; name, layout and unit are expected")
        layouts = {entry["name"]: layout_from_json(entry.get("layout")) for entry in plain}
        units = {entry["name"]: entry["unit"] for entry in plain}
        return cls(layouts={**layouts, POSE: POSE_LAYOUT}, units={**units, POSE: POSE_UNIT})

    def to_json(self) -> list[dict[str, Any]]:
        """`name`, `layout` and `unit` of every sensor, in order."""
        return [
            {"name": name, "layout": layout_to_json(self.layouts[name]), "unit": self.units[name]}
            for name in self.sensors
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The sensors and `pose`."""
        return tuple(self.layouts)

    @property
    def sensors(self) -> tuple[str, ...]:
        """In order."""
        return tuple(name for name in self.layouts if name != POSE)

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """Signals of one fixed shape per frame, the pose among them."""
        return self._of_kind(Grid)

    @cached_property
    def points(self) -> dict[str, Points]:
        """Point clouds."""
        return self._of_kind(Points)

    @cached_property
    def images(self) -> dict[str, Image]:
        """Compressed pictures."""
        return self._of_kind(Image)

    @property
    def extremes(self) -> tuple[str, ...]:
        """Grids whose smallest and largest value per frame are kept."""
        return tuple(name for name, grid in self.grids.items() if grid.extremes)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the frame table."""
        grids = [(name, pa.list_(pa.float32(), grid.size)) for name, grid in self.grids.items()]
        points = [
            (name, pa.large_list(pa.list_(pa.float32(), cloud.channels)))
            for name, cloud in self.points.items()
        ]
        images = [(name, pa.large_list(pa.uint8())) for name in self.images]
        extremes = [(f"{name}_{end}", pa.float32()) for name in self.extremes for end in ("min", "max")]
        valid = [(f"valid_{name}", pa.bool_()) for name in self.names]
        return pa.schema([("number", pa.int32()), *grids, *points, *images, *extremes, *valid])

    @property
    def frame_bytes(self) -> int:
        """Bytes of every frame in the frame table, without its points and pictures."""
        return 4 * sum(grid.size for grid in self.grids.values())

    def _of_kind(self, kind: type[L]) -> dict[str, L]:
        return {name: layout for name, layout in self.layouts.items() if isinstance(layout, kind)}
