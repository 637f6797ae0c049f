"""Sizes of the models, time of a training step, and coalitions at once against one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.timing import compare, markdown
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.encoders import PRESETS
from equipose.models.fusion import FUSIONS
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.models.sensors import GridView

MEAN_POSE = torch.zeros(17, 3)
POINTS = {"lidar": (96, 3), "mmwave": (32, 5)}


def random_batch(size: int) -> Batch:
    """Random sensor readings of realistic shape; the time does not depend on their values."""
    rng = torch.Generator().manual_seed(0)
    inputs = {
        "rgb": 320 + 60 * torch.randn(size, 1, 17, 2, generator=rng),
        **{name: torch.randn(size, *shape, generator=rng) for name, shape in POINTS.items()},
        "wifi": torch.rand(size, 3, 114, 10, generator=rng),
    }
    return Batch(
        inputs=inputs,
        masks={name: torch.ones(size, shape[0], dtype=torch.bool) for name, shape in POINTS.items()},
        present=torch.ones(size, 4, dtype=torch.bool),
        pose=torch.randn(size, 17, 3, generator=rng),
        index=torch.arange(size),
    )


def parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def size_table() -> str:
    """Parameters per preset and encoder (million), with their projections to D."""
    lines = [
        "### Parameters, million",
        "",
        "| preset | rgb | lidar | mmwave | wifi | D |",
        "|---|---|---|---|---|---|",
    ]
    for preset in PRESETS:
        config = ModelConfig(preset=preset)  # type: ignore[arg-type]
        model = build_model(config, views={"rgb": GridView(window=27)}, mean_pose=MEAN_POSE, seed=0)
        counts = " | ".join(f"{parameters(encoder) / 1e6:.3f}" for encoder in model.encoders.values())
        lines.append(f"| {preset}, 27 RGB frames | {counts} | {config.width} |")
    return "\n".join(lines)


def train_step(model: PoseModel, batch: Batch) -> None:
    """Forward and backward of the task loss."""
    mpjpe(model(batch).pose, batch.pose).mean().backward()


def encoder_step(model: PoseModel, batch: Batch, name: str) -> None:
    """Forward and backward of one encoder."""
    model.encoders[name](batch.inputs[name], batch.masks.get(name)).square().sum().backward()


def step_table(preset: str, size: int = 64) -> str:
    """A training step of all four encoders, and of each alone; divide by `size` for one sample."""
    batch = random_batch(size)
    model = build_model(ModelConfig(preset=preset), mean_pose=MEAN_POSE, seed=0)  # type: ignore[arg-type]
    candidates: dict[str, Callable[[], object]] = {"whole model": partial(train_step, model, batch)}
    candidates |= {name: partial(encoder_step, model, batch, name) for name in model.modalities}
    return markdown(f"Forward and backward, preset {preset}, batch {size}, one thread", compare(candidates))


def coalition_table(fusion: str, size: int = 512) -> str:
    """All 16 coalitions of four modalities: one `fuse` each, or `fuse_coalitions`; D as published."""
    config = ModelConfig(preset="small", fusion=fusion, feature_dim=512)  # type: ignore[arg-type]
    model = build_model(config, mean_pose=MEAN_POSE, seed=0).eval()
    features = torch.randn(size, 4, 512, generator=torch.Generator().manual_seed(0))
    masks = torch.tensor([[bool(c >> m & 1) for m in range(4)] for c in range(16)])

    def one_by_one() -> Tensor:
        with torch.inference_mode():
            return torch.stack([model.fuse(features, mask) for mask in masks])

    def at_once() -> Tensor:
        with torch.inference_mode():
            return model.fuse_coalitions(features, masks)

    torch.testing.assert_close(one_by_one(), at_once(), rtol=1e-4, atol=1e-4)
    measured = compare({"fuse, 16 times": one_by_one, "fuse_coalitions": at_once})
    return markdown(f"16 coalitions of {size} rows, fusion {fusion}", measured)


def main() -> str:
    """All tables, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps = [step_table(preset) for preset in ("tiny", "small")]
        # Its rounds cost some hundred times as much for a coalition as the other fusions.
        coalitions = [coalition_table(name, 16 if name == "cross_attention" else 512) for name in FUSIONS]
        return "\n\n".join([size_table(), *steps, *coalitions])
    finally:
        torch.set_num_threads(threads)
