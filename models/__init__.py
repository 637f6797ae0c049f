"""Pose models: encoders, fusions, heads, pose errors and metrics. Pure torch.

Metrics are in `equipose.models.metrics`, which needs torchmetrics and is imported only where it is used.
"""

from __future__ import annotations

from equipose.models.batch import Batch, Outputs
from equipose.models.build import ModelConfig, build_model
from equipose.models.fusion import FUSIONS
from equipose.models.model import PoseModel
from equipose.models.sensors import DEFAULT_SENSORS, SENSORS, Sensor, subset_name

__all__ = [
    "DEFAULT_SENSORS",
    "FUSIONS",
    "SENSORS",
    "Batch",
    "ModelConfig",
    "Outputs",
    "PoseModel",
    "Sensor",
    "build_model",
    "subset_name",
]
