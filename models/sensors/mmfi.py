"""The seven sensors of MM-Fi (Yang et al., "MM-Fi", NeurIPS 2023, section 3), as distributed.

Colours stay apart under the common kinds of colour blindness (Okabe and Ito, 2008).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.encoders import MetaFi, PointTransformer, VideoPose3D
from equipose.models.sensors.layouts import Grid, Image, Points
from equipose.models.sensors.sensor import Sensor
from equipose.models.sensors.views import GridView, ImageView, PointsView
from equipose.models.skeleton import COCO_BONES


def repair_csi(csi: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """CSI amplitude [3, 114, 10] with infinities and NaN replaced as in MM-Fi's public toolbox.

    Infinities count as NaN; each NaN takes the mean over the usable values of its time slice
    `[:, :, i]`, across antennas and subcarriers. A slice without any usable value stays NaN.
    """
    with np.errstate(over="ignore"):
        repaired = np.where(np.isfinite(csi), csi, np.nan).astype(np.float64)
    for time in np.flatnonzero(np.isnan(repaired).any(axis=(0, 1))):
        slice_ = repaired[:, :, time]
        usable = slice_[~np.isnan(slice_)]
        if usable.size:
            slice_[np.isnan(slice_)] = usable.mean()
    return repaired


RGB = Sensor(
    name="rgb",
    letter="R",
    layout=Grid(shape=(17, 2), channel_axis=1, temporal=True),
    unit="pixel",
    colour="#D55E00",
    lines=COCO_BONES,
    encoders={
        "paper": VideoPose3D.Config(),
        "small": VideoPose3D.Config(channels=128, dropout=0.0),
        "tiny": VideoPose3D.Config(widths=(3,), channels=16, dropout=0.0),
    },
)
"""17 COCO key points detected in the colour camera."""

LIDAR = Sensor(
    name="lidar",
    letter="L",
    layout=Points(),
    unit="m",
    colour="#0072B2",
    default_view=PointsView(points=256),
    encoders={"paper": PointTransformer.Config()},
)

RADAR = Sensor(
    name="mmwave",
    letter="M",
    layout=Points(columns=("x", "y", "z", "doppler", "intensity")),
    unit="m, m/s, intensity",
    colour="#009E73",
    default_view=PointsView(points=32),
    encoders={
        "paper": PointTransformer.Config(channels=5, width=128, levels=(None,) * 4),
        "small": PointTransformer.Config(
            channels=5, base=16, width=16, neighbours=8, levels=(None, None), first_attention=False
        ),
        "tiny": PointTransformer.Config(
            channels=5, base=8, width=8, neighbours=4, levels=(None,), first_attention=False
        ),
    },
)
"""Millimetre-wave radar; few points a frame, so its encoder keeps them all."""

WIFI = Sensor(
    name="wifi",
    letter="W",
    layout=Grid(shape=(3, 114, 10), channel_axis=0, extremes=True),
    unit="amplitude",
    colour="#CC79A7",
    default_view=GridView(scale="minmax"),
    repair=repair_csi,
    refuse_constant=True,
    encoders={
        "paper": MetaFi.Config(),
        "small": MetaFi.Config(grid=(32, 8), base=16, blocks=(1, 1, 1), stem_stride=2, heads=1, dropout=0.0),
        "tiny": MetaFi.Config(grid=(16, 4), base=8, blocks=(1,), stem_stride=2, heads=0, dropout=0.0),
    },
)
"""Channel state information of 3 antennas, 114 subcarriers, 10 packets."""

INFRA1 = replace(RGB, name="infra1", letter="I", colour="#E69F00")
"""Key points in the left infrared camera."""

INFRA2 = replace(RGB, name="infra2", letter="J", colour="#56B4E9")
"""Key points in the right infrared camera."""

DEPTH = Sensor(
    name="depth",
    letter="D",
    layout=Image(height=144, width=192, channels=1, dtype="uint16", scale=0.001, holes=True),
    unit="m",
    colour="#7F6A00",
    default_view=ImageView(stride=2),
)
"""Depth camera: 640x480 pixels of millimetres, kept at 192x144; 0 is no reading."""

MMFI_SENSORS: tuple[Sensor, ...] = (RGB, LIDAR, RADAR, WIFI, INFRA1, INFRA2, DEPTH)
