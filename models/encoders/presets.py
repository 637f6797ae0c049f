"""Sizes of the encoders: `paper` as published, `small` for minutes on two cores, `tiny` for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from equipose.models.encoders.metafi import MetaFi
from equipose.models.encoders.point_transformer import PointTransformer
from equipose.models.encoders.videopose import VideoPose3D

EncoderConfig = VideoPose3D.Config | PointTransformer.Config | MetaFi.Config

ROOM = (0.0, 0.0, 3.0)
"""Where people are in MM-Fi, metres in the sensor frame; the smaller models centre points on it."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One size of the whole model."""

    feature_dim: int
    """D."""
    encoders: Mapping[str, EncoderConfig]
    """modality -> widths."""
    hidden: int
    """Width of the MLP fusion."""
    layers: int
    """Transformer layers of the attention fusion."""


PAPER = Preset(
    feature_dim=512,
    hidden=1024,
    layers=2,
    encoders={
        "rgb": VideoPose3D.Config(),
        "lidar": PointTransformer.Config(),
        "mmwave": PointTransformer.Config(channels=5, width=128, levels=(None,) * 4),
        "wifi": MetaFi.Config(),
    },
)

SMALL = Preset(
    feature_dim=64,
    hidden=128,
    layers=1,
    encoders={
        "rgb": VideoPose3D.Config(channels=128, dropout=0.0),
        "lidar": PointTransformer.Config(
            base=16,
            width=16,
            neighbours=8,
            levels=(32, 8),
            first_attention=False,
            centre=ROOM,
            scale=(0.5,) * 3,
        ),
        "mmwave": PointTransformer.Config(
            channels=5,
            base=16,
            width=16,
            neighbours=8,
            levels=(None, None),
            first_attention=False,
            centre=(*ROOM, 0.0, 20.0),
            scale=(0.5, 0.5, 0.5, 0.5, 20.0),
        ),
        "wifi": MetaFi.Config(grid=(32, 8), base=16, blocks=(1, 1, 1), stem_stride=2, heads=1, dropout=0.0),
    },
)

TINY = Preset(
    feature_dim=16,
    hidden=16,
    layers=1,
    encoders={
        "rgb": VideoPose3D.Config(widths=(3,), channels=16, dropout=0.0),
        "lidar": PointTransformer.Config(
            base=8, width=8, neighbours=4, levels=(4,), first_attention=False, centre=ROOM, scale=(0.5,) * 3
        ),
        "mmwave": PointTransformer.Config(
            channels=5,
            base=8,
            width=8,
            neighbours=4,
            levels=(None,),
            first_attention=False,
            centre=(*ROOM, 0.0, 20.0),
            scale=(0.5, 0.5, 0.5, 0.5, 20.0),
        ),
        "wifi": MetaFi.Config(grid=(16, 4), base=8, blocks=(1,), stem_stride=2, heads=0, dropout=0.0),
    },
)

PRESETS: Mapping[str, Preset] = MappingProxyType({"tiny": TINY, "small": SMALL, "paper": PAPER})
"""name -> sizes."""


def temporal_widths(window: int, depth: int) -> tuple[int, ...]:
    """Filter widths of a VideoPose3D trunk for a window of 1, 3, 9, 27, 81, 243 ... frames.

    A single frame uses `depth` filters of width 1, as published. Raises for any other window.
    """
    widths: list[int] = []
    rest = window
    while rest > 1 and rest % 3 == 0:
        rest //= 3
        widths.append(3)
    if rest != 1:
        raise ValueError(f"window={window}: use 1 or a power of three (3, 9, 27, 81, 243)")
    return tuple(widths) or (1,) * depth
