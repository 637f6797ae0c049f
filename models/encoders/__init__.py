"""Encoders: one sensor in, one feature vector per frame out.

Each is built by its config: `VideoPose3D.Config(channels=128).build(feature_dim, norm)`.
"""

from __future__ import annotations

from equipose.models.encoders.base import NORMS, Encoder, EncoderConfig, Norm
from equipose.models.encoders.convolutional import Convolutional
from equipose.models.encoders.metafi import MetaFi
from equipose.models.encoders.point_transformer import PointTransformer
from equipose.models.encoders.presets import PRESETS, Preset
from equipose.models.encoders.videopose import VideoPose3D, temporal_widths

__all__ = [
    "NORMS",
    "PRESETS",
    "Convolutional",
    "Encoder",
    "EncoderConfig",
    "MetaFi",
    "Norm",
    "PointTransformer",
    "Preset",
    "VideoPose3D",
    "temporal_widths",
]
