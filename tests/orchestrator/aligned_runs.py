"""A small store of simulated triplets, and the runs of a tiny aligned model on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from equipose.balancing.objectives.align import Align
from equipose.models.alignment.config import AlignedConfig
from equipose.models.sensors import ImageView
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.orchestrator.unihpe.stages import StageLength, UnihpeConfig, Variant
from equipose.pipelines.batches.config import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.triplets.simulated import TripletSource
from equipose.pipelines.simulator import SimulatorConfig

BOTH = ("pose", "keypoints")


def triplet_store(folder: Path) -> Path:
    """36 frames of three people before two cameras: 12 to train, 12 to validate, 12 to test."""
    source = TripletSource(
        subjects=("S01", "S08", "S09"),
        actions=("A02", "A05"),
        cameras=("C1", "C3"),
        config=SimulatorConfig(frames=3, rate_hz=2.0),
    )
    prepare("simulated_indoor", source, folder)
    return folder


def unihpe_config(store: Path, model: AlignedConfig | None = None, **objective: Any) -> UnihpeConfig:
    """Two steps an epoch, float64 elsewhere; every stage has two epochs."""
    length = StageLength(epochs=2, batch_size=6, optimizer=OptimizerConfig(lr=1e-3))
    batch = BatchConfig(
        modalities=("image", "keypoints"),
        views={"image": ImageView(stride=2)},
        context=("box", "intrinsics"),
        targets=("exact_keypoints",),
        origin="pelvis",
    )
    model = model or AlignedConfig(preset="tiny", norm="layer", decoders=BOTH)
    return UnihpeConfig(
        name="made",
        data=DataConfig(store=str(store), protocol="H36M", split="subject", batch=batch),
        lengths={"pose pairs": length, "image": length, "decoders": length},
        variants=(Variant(name="unihpe", model=model, objective=Align.Config(**objective)),),
    )


def stage_configs(store: Path, **objective: Any) -> list[TrainConfig]:
    """The three runs, in float64."""
    config = unihpe_config(store, **objective)
    return [replace(spec.config, dtype="float64") for spec in config.runs(config.variants[0], 0)]
