"""The definition of a sensor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.encoders import Convolutional, EncoderConfig, PointTransformer, VideoPose3D
from equipose.models.sensors.layouts import Grid, Image, Layout
from equipose.models.sensors.views import View, check_view, view_type

Repair = Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]

SMALL_ENCODERS = ("tiny", "small")
"""Presets whose default encoders are small."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A device: what its frames look like and how they are cleaned, viewed, encoded and drawn.

    >>> from equipose.models.sensors import Grid, Sensor
    >>> imu = Sensor(
    ...     name="imu",
    ...     letter="U",
    ...     layout=Grid(shape=(4, 6), channel_axis=1, temporal=True),
    ...     unit="m/s^2, rad/s",
    ...     colour="#56B4E9",
    ... )
    >>> imu.view
    GridView(window=1, scale='absolute')
    >>> type(imu.encoder("tiny")).__qualname__
    'VideoPose3D.Config'
    """

    name: str
    """Lower case; the key of inputs, options and columns."""
    letter: str = ""
    """One capital for tables (`RL` is RGB with LiDAR); empty: the full name is printed."""
    layout: Layout
    unit: str
    colour: str
    """Of its curves and bars, `#rrggbb`."""
    default_view: View | None = None
    """None is the default view of the layout."""
    repair: Repair | None = None
    """Applied to a frame as read, before it is checked for values that are not finite."""
    refuse_constant: bool = False
    """A frame of one single value is invalid, because scaling it would divide by zero."""
    lines: tuple[tuple[int, int], ...] = ()
    """Pairs of its key points that a drawing joins, which makes its frames a figure: [J, 2] and more columns,
    of which the first two are x, right, and y, down."""
    encoders: Mapping[str, EncoderConfig] = field(default_factory=dict)
    """Preset -> encoder; without an entry the layout's default is used."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or self.name == "pose":
            raise ValueError(f"name={self.name!r}: use lower-case letters, digits and _, and not 'pose'")
        if not re.fullmatch(r"[A-Z]?", self.letter):
            raise ValueError(f"letter={self.letter!r}: use one capital, or leave it out")
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", self.colour):
            raise ValueError(f"colour={self.colour!r}: write it as #rrggbb")
        shape = self.layout.shape if isinstance(self.layout, Grid) else ()
        if self.lines and not (len(shape) == 2 and shape[1] > 1 and max(map(max, self.lines)) < shape[0]):
            raise ValueError(f"lines={self.lines}: they join key points of a Grid of [points, 2] and more")
        check_view(self.layout, self.view)

    @property
    def view(self) -> View:
        """How its frames become inputs unless a run says otherwise."""
        return self.default_view or view_type(self.layout)()

    def encoder(self, preset: str) -> EncoderConfig:
        """Its encoder in a preset of sizes (`tiny`, `small`, `paper`)."""
        return self.encoders.get(preset) or default_encoder(self.layout, preset)


def default_encoder(layout: Layout, preset: str) -> EncoderConfig:
    """The encoder of a sensor that names none: temporal convolutions, a Point Transformer, a ResNet."""
    tiny, small = preset == "tiny", preset in SMALL_ENCODERS
    if isinstance(layout, Grid):
        channels = 16 if tiny else 128 if small else 1024
        dropout = 0.0 if small else 0.25
        return VideoPose3D.Config(inputs=layout.size, widths=(1, 1, 1), channels=channels, dropout=dropout)
    if isinstance(layout, Image):
        base, blocks = (4, (1, 1, 1)) if tiny else (8, (1, 1, 1, 1)) if small else (64, (3, 4, 6, 3))
        return Convolutional.Config(inputs=layout.channels, base=base, blocks=blocks)
    if small:
        levels = (4,) if tiny else (32, 8)
        width = 8 if tiny else 16
        return PointTransformer.Config(
            channels=layout.channels,
            base=width,
            width=width,
            neighbours=4 if tiny else 8,
            levels=levels,
            first_attention=False,
        )
    return PointTransformer.Config(channels=layout.channels)
