"""How the frames of a sensor become the inputs of a model: one small config per kind of layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from equipose.models.sensors.layouts import Grid, Image, Layout


@dataclass(frozen=True, kw_only=True)
class GridView:
    """Of a `Grid`."""

    window: int = 1
    """Frames around each row; odd. Only grids with `temporal` can have more than one."""
    scale: Literal["absolute", "minmax"] = "absolute"
    """`minmax` scales each frame to 0..1, as MM-Fi's toolbox does with CSI; `absolute` keeps its values."""

    def __post_init__(self) -> None:
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window must be odd and positive, so that it has a centre, got {self.window}")
        if self.scale not in ("absolute", "minmax"):
            raise ValueError(f"scale must be 'absolute' or 'minmax', got {self.scale!r}")


@dataclass(frozen=True, kw_only=True)
class PointsView:
    """Of `Points`."""

    points: int = 256
    """Points drawn from each cloud."""
    frames: int = 1
    """Frames fused into one cloud: the row's own and those just before it; 1 to 3."""

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"points must be at least 1, got {self.points}")
        if self.frames not in (1, 2, 3):
            raise ValueError(f"frames must be 1, 2 or 3, got {self.frames}")


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """Of an `Image`."""

    stride: int = 1
    """Keep every n-th row and column of pixels."""

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}")


View = GridView | PointsView | ImageView


def view_type(layout: Layout) -> type[GridView] | type[PointsView] | type[ImageView]:
    """The class of a layout's views."""
    if isinstance(layout, Grid):
        return GridView
    return ImageView if isinstance(layout, Image) else PointsView


def check_view(layout: Layout, view: View) -> None:
    """Raise ValueError unless a sensor of this layout can be viewed so."""
    wanted = view_type(layout)
    if not isinstance(view, wanted):
        raise ValueError(f"a view of {type(layout).__name__} is a {wanted.__name__}, got {view}")
    if isinstance(layout, Grid) and isinstance(view, GridView):
        if view.window > 1 and not layout.temporal:
            raise ValueError(f"window must be 1, got {view.window}: its frames carry no window")
        if view.scale == "minmax" and not layout.extremes:
            raise ValueError("scale must be 'absolute': the store keeps no extremes of its frames")


def point_views(**counts: int) -> dict[str, View]:
    """Views that draw so many points of each sensor: `point_views(lidar=96, mmwave=24)`."""
    return {name: PointsView(points=count) for name, count in counts.items()}
