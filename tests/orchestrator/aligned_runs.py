"""A small store of simulated triplets, and the runs of a tiny aligned model on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equipose.balancing.objectives.align import Align
from equipose.models.alignment.config import AlignedConfig
from equipose.models.sensors import ImageView
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.build import new_model
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig, to_json
from equipose.orchestrator.unihpe.stages import StageLength, UnihpeConfig, Variant
from equipose.pipelines.batches.config import BatchConfig
from equipose.pipelines.images import encode
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


def untrained_stages(folder: Path) -> Path:
    """Checkpoints of the three stages of a tiny aligned model with its first weights: `1`, `2` and `3`."""
    config = unihpe_config(folder / "no-store")
    for number, spec in enumerate(config.runs(config.variants[0], 0), 1):
        (folder / str(number)).mkdir()
        state = {
            "format": checkpoints.FORMAT, "config": to_json(spec.config), "extra": {}, "epoch": 0,
            "best_mpjpe_mm": 0.0, "best_epoch": -1, "history": [], "contributions": None,
            "model": new_model(spec.config, torch.zeros(17, 3)).state_dict(),
        }  # fmt: skip
        checkpoints.save_for_use(state, folder / str(number))
    return folder


def write_photos(folder: Path) -> None:
    """`photos` with three pictures, and `boxes.csv` with the people in two of them."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for name, codec in (("a.jpg", "jpeg"), ("b.png", "png"), ("c.png", "png")):
        coarse = rng.integers(0, 255, (12, 16, 3), np.uint8)
        (folder / "photos" / name).write_bytes(encode(coarse.repeat(20, 0).repeat(20, 1), codec))
    boxes = "file,centre_x,centre_y,side\nb.png,150,120,200\na.jpg,100,100,180.5\n"
    (folder / "boxes.csv").write_text(boxes)
