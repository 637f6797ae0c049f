"""How one frame of a sensor is shaped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One array of numbers of a fixed shape, such as key points [17, 2] or CSI [3, 114, 10]."""

    shape: tuple[int, ...]
    channel_axis: int
    """Axis of `shape` whose entries have a scale of their own; inputs are normalised along it."""
    temporal: bool = False
    """Batches carry a window of T frames, [B, T, *shape], instead of [B, *shape]."""
    extremes: bool = False
    """The store keeps every frame's smallest and largest value, so that views may rescale by them."""

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"shape={self.shape}: give at least one axis, each at least 1 long")
        if not 0 <= self.channel_axis < len(self.shape):
            raise ValueError(f"channel_axis={self.channel_axis}: use an axis of shape={self.shape}")

    @property
    def size(self) -> int:
        """Numbers of one frame."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """Length of the channel axis."""
        return self.shape[self.channel_axis]


@dataclass(frozen=True, kw_only=True)
class Points:
    """A point cloud: any number of rows of these columns, of which the first three are x, y, z in metres."""

    columns: tuple[str, ...] = ("x", "y", "z")

    def __post_init__(self) -> None:
        if self.columns[:3] != ("x", "y", "z"):
            raise ValueError(f"columns={self.columns}: begin with x, y, z")

    @property
    def channels(self) -> int:
        """Numbers of one point."""
        return len(self.columns)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture, kept compressed in the store at this size and decoded when it is read."""

    height: int
    width: int
    channels: int = 3
    dtype: Literal["uint8", "uint16"] = "uint8"
    scale: float = 1.0
    """Unit of the sensor per step of a pixel's value: 0.001 for depth in millimetres, read as metres."""
    codec: Literal["png", "jpeg"] = "png"
    """How pictures are compressed: `png` keeps every pixel, `jpeg` takes an eighth of its room for photos."""
    holes: bool = False
    """A pixel of 0 means "no reading", so that resizing must not mix it with its neighbours."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or (self.dtype, self.channels) == ("uint16", 3):
            raise ValueError(
                f"channels={self.channels}, dtype={self.dtype}: use 1 or 3 of uint8, 1 of uint16"
            )
        if self.codec not in ("png", "jpeg") or (
            self.codec == "jpeg" and (self.holes or self.dtype != "uint8")
        ):
            raise ValueError(f"codec={self.codec!r}: use 'png'; 'jpeg' is for uint8 without holes")
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise ValueError(f"height={self.height}, width={self.width}: use 1 to {MAX_SIDE} pixels")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the decoded array: [height, width], or [height, width, 3]."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)


MAX_SIDE = 4096
"""Pixels; bounds what a decoder may be asked to allocate."""

Layout = Grid | Points | Image

KINDS: dict[str, type[Grid] | type[Points] | type[Image]] = {"grid": Grid, "points": Points, "image": Image}


def layout_to_json(layout: Layout) -> dict[str, Any]:
    """JSON form, with its `kind`; `layout_from_json` is the inverse."""
    kind = next(name for name, cls in KINDS.items() if isinstance(layout, cls))
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(layout).items()}
    if isinstance(layout, Image) and layout.codec == "png":
        del values["codec"]  # the only one that there was at first; headers must stay equal
    return {"kind": kind, **values}


def layout_from_json(plain: dict[str, Any]) -> Layout:
    """Inverse of `layout_to_json`; ValueError for anything else."""
    if not isinstance(plain, dict) or plain.get("kind") not in KINDS:
        raise ValueError(f"a layout is {str(plain)[:80]}; its kind must be one of {sorted(KINDS)}")
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
    kind = KINDS[values.pop("kind")]
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"a layout is {str(plain)[:80]}: {error}") from error
