"""What options choose from, by name, and their defaults; light to import, for the help of every verb."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

FusionName = Literal["concat", "mlp", "attention", "cross_attention"]
"""The same names as `equipose.models.build.Fusion`, without torch."""
OptimizerName = Literal["adam", "sgd"]
StartName = Literal["new", "aligned"]
PresetName = Literal["smoke", "quick", "paper"]
WorkName = Literal["awc", "continual", "unihpe"]
"""What a sweep searches."""
AlignObjective = Literal["pose", "retrieval"]
"""What an alignment is judged by in a sweep."""
TablesWorkName = Literal["awc", "unihpe"]
"""Whose tables."""
ComparisonPresetName = Literal["smoke", "quick", "few_subjects", "missing_sensor", "paper"]
ContinualPresetName = Literal["smoke", "quick", "paper"]
PaperPresetName = Literal["smoke", "quick", "mars", "paper"]
ImbalancePresetName = Literal["smoke", "quick"]
WeakSensorName = Literal["mmwave", "wifi"]
"""Which sensor the controlled experiment weakens."""
USUAL_WEAK: WeakSensorName = "mmwave"
PartName = Literal["test", "validation", "train", "all"]
"""Which frames of a store a trained model is used on."""

DEFAULT_OUT = Path(os.environ.get("EQUIPOSE_OUT") or "equipose-out")
"""Default results folder; on a cluster, set `EQUIPOSE_OUT` on every node to a folder that all nodes share."""
