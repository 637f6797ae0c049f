"""What is measured on a GPU: training steps at published widths, on random readings from memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.models.models import MEAN_POSE
from equipose.balancing.method import Method, StepContext
from equipose.balancing.objectives.align import Align
from equipose.balancing.objectives.objective import Objective
from equipose.balancing.objectives.pose import PoseError
from equipose.balancing.objectives.registry import build_objective
from equipose.balancing.registry import METHODS, build_method
from equipose.balancing.run import Run
from equipose.balancing.train_step import take_step
from equipose.models.alignment.build import build_aligned
from equipose.models.alignment.config import AlignedConfig
from equipose.models.base import SensorModel
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.compute.config import ComputeConfig
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng
from equipose.models.sensors import GridView, ImageView
from equipose.models.sensors.triplets import CROP
from equipose.orchestrator.training.compute.precision import new_backward

SCORES = torch.tensor([4.0, 3.0, 1.0, 0.5], dtype=torch.float64)
DUE = 1
"""The epoch that is measured: AWC's first one is free."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large models and batches are."""

    preset: str
    rows: int
    """Of a batch of sensors."""
    lidar: int
    mmwave: int
    window: int
    """Frames of key points."""
    aligned_rows: int
    """Of a batch of pictures, key points and poses."""
    stride: int
    """Every n-th pixel of a picture is looked at."""


PUBLISHED = Size(preset="paper", rows=192, lidar=1024, mmwave=128, window=27, aligned_rows=180, stride=1)
TOY = Size(preset="tiny", rows=6, lidar=24, mmwave=8, window=1, aligned_rows=4, stride=2)

Unit = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something that is done again and again."""

    unit: Unit
    rows: int
    """Samples that one unit trains on."""


def sensor_batch(size: Size) -> Batch:
    """Readings of four sensors."""
    rng, rows = torch.Generator().manual_seed(0), size.rows
    shapes = {
        "rgb": (size.window, 17, 2),
        "lidar": (size.lidar, 3),
        "mmwave": (size.mmwave, 5),
        "wifi": (3, 114, 10),
    }
    return Batch(
        inputs={name: torch.randn(rows, *shape, generator=rng) for name, shape in shapes.items()},
        masks={name: torch.rand(rows, shapes[name][0], generator=rng) < 0.9 for name in ("lidar", "mmwave")},
        present=torch.ones(rows, 4, dtype=torch.bool),
        pose=torch.randn(rows, 17, 3, generator=rng),
        index=torch.arange(rows),
    )


def picture_batch(size: Size) -> Batch:
    """Pictures and key points of one person each, poses relative to the pelvis."""
    rng, rows = torch.Generator().manual_seed(0), size.aligned_rows
    width, height = (side // size.stride for side in CROP)
    numbers: dict[str, Tensor] = {
        "image": torch.rand(rows, 3, height, width, generator=rng),
        "keypoints": 200 * torch.rand(rows, 17, 3, generator=rng),
    }
    return Batch(
        inputs=numbers,
        masks={},
        present=torch.ones(rows, 2, dtype=torch.bool),
        pose=torch.randn(rows, 17, 3, generator=rng),
        index=torch.arange(rows),
        context={
            "box": torch.tensor([100.0, 100.0, 200.0]).repeat(rows, 1),
            "intrinsics": torch.tensor([1000.0, 1000.0, 1100.0, 1100.0, 500.0, 500.0]).repeat(rows, 1),
        },
    )


def sensors(method: str, size: Size, compute: ComputeConfig, device: torch.device) -> Work:
    """A step of a method; of AWC also the share of its Fisher pass that falls on one step."""
    model = build_model(
        ModelConfig(preset=size.preset),  # type: ignore[arg-type]
        views={"rgb": GridView(window=size.window)},
        mean_pose=MEAN_POSE,
        seed=0,
    )
    built = build_method(METHODS[method].Config())
    return _work(model, built, PoseError(), sensor_batch(size), compute, device)


def alignment(size: Size, compute: ComputeConfig, device: torch.device) -> Work:
    """A step of UniHPE's contrastive training, without decoders."""
    config = AlignedConfig(preset=size.preset)  # type: ignore[arg-type]
    model = build_aligned(config, views={"image": ImageView(stride=size.stride)}, seed=0)
    objective = build_objective(Align.Config(direction="one_way"))
    objective.prepare(model)
    return _work(model, Method(), objective, picture_batch(size), compute, device)


def _work(
    model: SensorModel,
    method: Method,
    objective: Objective,
    batch: Batch,
    compute: ComputeConfig,
    device: torch.device,
) -> Work:
    """Every unit begins an epoch of one batch, and takes its step."""
    model.compute_as(compute)
    model.to(device).train()
    batch = batch.to(device)
    optimizer, backward = torch.optim.Adam(model.parameters()), new_backward(model, compute)

    def run(epoch: int) -> Run:
        return Run(
            model=model,  # type: ignore[arg-type]
            epoch=epoch,
            epochs=100,
            seed=0,
            loss=mpjpe,
            batches=lambda: [batch],
            shuffled=lambda: [batch],
            contributions=SCORES,
        )

    method.on_epoch_start(run(0))
    due = run(DUE)

    def unit() -> None:
        method.on_epoch_start(due)
        context = StepContext(
            run=due,
            wrapped=model,
            optimizer=optimizer,
            batch=batch,
            index=0,
            rng=torch_rng(0, "method", DUE, 0),
            objective=objective,
            backward=backward,
        )
        take_step(method, context)

    return Work(unit=unit, rows=len(batch))
