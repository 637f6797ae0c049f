"""Pose models: encoders, fusions, heads, pose errors and metrics. Pure torch.

Metrics are in `equipose.models.metrics`, which needs torchmetrics and is imported only where it is used.
"""

from __future__ import annotations

from equipose.models.batch import Batch, Outputs
from equipose.models.build import ModelConfig, build_model
from equipose.models.encoders import ENCODERS
from equipose.models.fusion import FUSIONS
from equipose.models.modalities import LETTERS, MODALITIES, subset_name
from equipose.models.model import PoseModel

__all__ = [
    "ENCODERS",
    "FUSIONS",
    "LETTERS",
    "MODALITIES",
    "Batch",
    "ModelConfig",
    "Outputs",
    "PoseModel",
    "build_model",
    "subset_name",
]
