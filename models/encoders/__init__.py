"""Encoders: one sensor in, one feature vector per frame out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.models.encoders.base import NORMS, Encoder, Norm
from equipose.models.encoders.metafi import MetaFi
from equipose.models.encoders.point_transformer import PointTransformer
from equipose.models.encoders.presets import PRESETS, EncoderConfig, Preset, temporal_widths
from equipose.models.encoders.videopose import VideoPose3D

ENCODERS: Mapping[str, type[VideoPose3D] | type[PointTransformer] | type[MetaFi]] = MappingProxyType(
    {"rgb": VideoPose3D, "lidar": PointTransformer, "mmwave": PointTransformer, "wifi": MetaFi}
)
"""modality -> the encoder that the AWC paper uses; built as `Encoder(config, feature_dim, norm)`."""

__all__ = [
    "ENCODERS",
    "NORMS",
    "PRESETS",
    "Encoder",
    "EncoderConfig",
    "MetaFi",
    "Norm",
    "PointTransformer",
    "Preset",
    "VideoPose3D",
    "temporal_widths",
]
