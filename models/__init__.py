"""What is trained: encoders, fusions, heads, pose errors and metrics. Pure torch.

Metrics live in `models.metrics`, which needs torchmetrics and is imported where it is used.
"""

from __future__ import annotations

from models.batch import Batch, Outputs
from models.build import ModelConfig, build_model
from models.encoders import ENCODERS
from models.fusion import FUSIONS
from models.modalities import LETTERS, MODALITIES, subset_name
from models.model import PoseModel

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
