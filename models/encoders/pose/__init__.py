"""Encoders of a pose: 17 joints in 2D or 3D in, one embedding out, a transformer or an MLP.

As in UniHPE (arXiv 2311.16477, section 3.1 and appendix B.2). `boxes` says what 2D inputs are relative to and
what the bounding-box token holds, `residual` is the MLP that the decoders use too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.models.encoders.pose.joints import PoseEncoder, PoseEncoderConfig
from equipose.models.encoders.pose.mlp import PoseMLP
from equipose.models.encoders.pose.transformer import PoseTransformer

POSE_ENCODERS: Mapping[str, type[PoseTransformer] | type[PoseMLP]] = MappingProxyType(
    {"transformer": PoseTransformer, "mlp": PoseMLP}
)
"""name -> encoder, built as `POSE_ENCODERS[name].Config(...).build(D, norm)`."""

__all__ = ["POSE_ENCODERS", "PoseEncoder", "PoseEncoderConfig", "PoseMLP", "PoseTransformer"]
