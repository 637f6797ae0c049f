"""Everything that determines the architecture of a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from equipose.models.alignment.config import EXACT, IMAGE, KEYPOINTS, POSE
from equipose.models.base import Route
from equipose.models.encoders import NORMS, EncoderConfig, Norm
from equipose.models.encoders.image import IMAGE_ENCODERS, HRNet
from equipose.models.encoders.pose import PoseMLP
from equipose.models.encoders.videopose import VideoPose3D
from equipose.models.sensors import GridView, View, sensor_of

Architecture = Literal["simple_baseline", "videopose3d", "heatmaps"]
WIDTHS: Mapping[str, int] = MappingProxyType({"tiny": 32, "small": 256, "paper": 1024})
"""Preset -> width of a lifter: `tiny` for unit tests, `small` for two cores, `paper` as published."""
DROPOUTS: Mapping[str, float] = MappingProxyType({"simple_baseline": 0.5, "videopose3d": 0.25})
"""Published rates of the lifters."""
LINEAR_BLOCKS = 2
"""Residual blocks of SimpleBaseline."""
SINGLE_FRAME = (1, 1, 1, 1, 1)
"""Filter widths of VideoPose3D at f = 1: those of its model for 243 frames, 3,3,3,3,3, all set to one."""


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """A published model; raises ValueError for values that are unknown or that it does not read."""

    architecture: Architecture = "simple_baseline"
    preset: Literal["tiny", "small", "paper"] = "small"
    width: int | None = None
    """Of a lifter's layers; None uses the preset's."""
    dropout: float | None = None
    """Of a lifter; None uses the published rate. Each rank draws its own, so only 0 makes two ranks one."""
    image: str | None = None
    """The HRNet under heat maps, one of `IMAGE_ENCODERS`; None: the preset's, HRNet-W32 in `paper`."""
    image_weights: str | None = None
    """File of weights that it starts with, as in `AlignedConfig`."""
    norm: Norm = "batch"
    """`batch` as published; `layer` keeps no batch statistics."""

    def __post_init__(self) -> None:
        known = {"architecture": get_args(Architecture), "preset": tuple(WIDTHS), "norm": NORMS}
        for field, names in known.items():
            if (value := getattr(self, field)) not in names:
                raise ValueError(f"{field}={value!r} is unknown; use one of {list(names)}")
        unread = ("image", "image_weights") if self.lifts else ("width", "dropout")
        for field in unread:
            if (value := getattr(self, field)) is not None:
                raise ValueError(f"{field}={value!r} says nothing to {self.architecture}; leave it at None")
        if self.width is not None and self.width < 1:
            raise ValueError(f"width={self.width}: use a positive width or None")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: use a rate in [0, 1) or None")
        if not self.lifts:
            self.hrnet  # noqa: B018 - refuses what has no maps

    @property
    def lifts(self) -> bool:
        """Whether it makes poses of key points; else it makes key points of a picture, and has no pose."""
        return self.architecture != "heatmaps"

    @property
    def standardised(self) -> bool:
        """Whether its network gives poses less the mean pose, at unit variance; else metres."""
        return self.architecture == "simple_baseline"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Its one sensor."""
        return (KEYPOINTS,) if self.lifts else (IMAGE,)

    @property
    def route(self) -> Route:
        """The one way that it has."""
        return (KEYPOINTS, POSE) if self.lifts else (IMAGE, KEYPOINTS)

    @property
    def fusion(self) -> str:
        """In place of a fusion's name, for tags and tables."""
        return self.architecture

    @property
    def label(self) -> str:
        """How poses or key points are made, for tables."""
        return "regression" if self.lifts else "heat maps"

    def check_batch(self, context: tuple[str, ...], targets: tuple[str, ...]) -> None:
        """Raise ValueError where batches with these lack what it needs beside its sensor and the pose."""
        needed = {"context": ("box",), "targets": () if self.lifts else (EXACT,)}
        for group, there in (("context", context), ("targets", targets)):
            if missing := [name for name in needed[group] if name not in there]:
                raise ValueError(
                    f"data.batch.{group}={there} lacks {missing}, which {self.architecture} needs; add it"
                )

    @property
    def hrnet(self) -> HRNet.Config:
        """The network under heat maps; ValueError for an image encoder without maps."""
        found = IMAGE_ENCODERS.get(self.image) if self.image else sensor_of(IMAGE).encoder(self.preset)
        if not isinstance(found, HRNet.Config):
            names = [name for name, config in IMAGE_ENCODERS.items() if isinstance(config, HRNet.Config)]
            raise ValueError(f"image={self.image!r} has no maps at several resolutions; use one of {names}")
        return found

    def encoder(self, name: str, view: View | None = None) -> EncoderConfig:
        """The encoder of its sensor for a view of it; ValueError for a view of several frames."""
        if name not in self.modalities:
            raise ValueError(f"{self.architecture} has no sensor {name!r}; it looks at {self.modalities}")
        if isinstance(view, GridView) and view.window != 1:
            raise ValueError(f"window={view.window}: {self.architecture} looks at one frame; use window=1")
        if not self.lifts:
            return self.hrnet
        width = self.width or WIDTHS[self.preset]
        dropout = DROPOUTS[self.architecture] if self.dropout is None else self.dropout
        if self.architecture == "simple_baseline":
            return PoseMLP.Config(
                coordinates=2, box=False, width=width, blocks=LINEAR_BLOCKS, dropout=dropout
            )
        return VideoPose3D.Config(widths=SINGLE_FRAME, channels=width, dropout=dropout)
