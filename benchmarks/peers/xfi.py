"""A training step of X-Fi's fusion against ours in its style, at its width and batch.

`XFI=<folder of X-Fi's public repository> python -m benchmarks peers` (Chen et al., ICLR 2025); its fusion
needs the package `einops`. X-Fi trains its projector and its fusion on encoders that come trained, from files
that the repository does not hold, so both sides start at the encoders' outputs, random numbers here: of five
sensors, 32 to 68 tokens of width 512 each, where our encoders give one vector of that width. Both sides take
the published loss (mean squared error) and optimiser (AdamW). What they compute is not the same: only time
and size are compared.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.models.models import parameters
from benchmarks.timing import Measurement, compare
from equipose.models.fusion import FUSIONS, FusionOptions
from equipose.models.heads import PoseHead
from equipose.models.randomness import torch_rng

WIDTH = 512
BATCH = 16
"""As X-Fi trains."""
TOKENS = {"rgb": 49, "depth": 49, "mmwave": 32, "lidar": 32, "wifi": 68}
"""Sensor -> tokens that X-Fi's encoder gives of it."""
PROJECTED = 32
"""Tokens of every sensor after X-Fi's projector."""
POINTS = 1024
"""LiDAR points, from which X-Fi makes its position encoding."""

Predict = Callable[[], Tensor]
"""Poses [B, 17, 3] of the whole batch."""


class FusionAlone(nn.Module):
    """Our cross-attention after X-Fi, and the pose head."""

    def __init__(self, sensors: int, width: int) -> None:
        super().__init__()
        self.fusion = FUSIONS["cross_attention"](sensors, width, FusionOptions(hidden=width, layers=1))
        self.head = PoseHead(self.fusion.width)

    def forward(self, features: Tensor) -> Tensor:
        """Poses [B, 17, 3] from features [B, M, D]."""
        pose: Tensor = self.head(
            self.fusion(features, features.new_ones(features.shape[:2], dtype=torch.bool))
        )
        return pose


def reason_to_skip(folder: str | None) -> str | None:
    """Why X-Fi cannot be measured here, or None."""
    if not folder:
        return "`XFI` does not name the folder of its public repository"
    if not (Path(folder) / "MMFi_HPE" / "X_Fi.py").is_file():
        return f"XFI={folder} holds no MMFi_HPE/X_Fi.py; give the folder of its public repository"
    if importlib.util.find_spec("einops") is None:
        return "its fusion needs `einops`, which cannot be imported"
    return None


@contextmanager
def xfi_module(folder: Path) -> Iterator[types.ModuleType]:
    """X-Fi's module of its pose model; torchvision, which its fusion does not use, is an empty stand-in."""
    vision, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    stands_in: dict[str, Any] = {"torchvision": vision, "torchvision.transforms": transforms}
    transforms.Resize = vision.transforms = None  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in stands_in}
    sys.modules.update({name: module for name, module in stands_in.items() if before[name] is None})
    sys.path.insert(0, str(folder / "MMFi_HPE"))
    try:
        yield importlib.import_module("X_Fi")
    finally:
        sys.path.pop(0)
        for name in [*(name for name, module in before.items() if module is None), "X_Fi"]:
            sys.modules.pop(name, None)


def training_step(module: nn.ModuleList, predict: Predict, pose: Tensor) -> Callable[[], None]:
    """A step of everything in `module` towards the poses [B, 17, 3]."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    module.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.mse_loss(predict(), pose).backward()
        optimizer.step()

    return step


def xfi_parts(folder: Path) -> tuple[nn.Module, nn.Module]:
    """X-Fi's projector and its fusion, in the published sizes, with new weights."""
    with xfi_module(folder) as module:
        fusion = module.X_Fusion(
            num_modalities=len(TOKENS),
            dim=WIDTH,
            qkv_hidden_expansion=2,
            hidden_dim=WIDTH,
            num_feature=PROJECTED,
            num_heads=8,
            dim_heads=64,
            model_depth=4,
        )
        return module.linear_projector(WIDTH, WIDTH), fusion


def steps(folder: Path) -> tuple[dict[str, Callable[[], None]], dict[str, int]]:
    """A training step and the number of parameters of every candidate; the first one is the baseline."""
    rng, there = torch_rng(0, "benchmark", "xfi"), [True] * len(TOKENS)
    tokens = [torch.randn(BATCH, count, WIDTH, generator=rng) for count in TOKENS.values()]
    points, pose = (torch.randn(BATCH, count, 3, generator=rng) for count in (POINTS, 17))
    projected = torch.randn(BATCH, PROJECTED * len(TOKENS), WIDTH, generator=rng)
    features = torch.stack([value.mean(1) for value in tokens], 1)
    projector, fusion = xfi_parts(folder)
    alone, own = xfi_parts(folder)[1], FusionAlone(len(TOKENS), WIDTH)
    candidates: dict[str, tuple[list[nn.Module], Predict]] = {
        "X-Fi, projector and fusion": (
            [projector, fusion],
            lambda: fusion(projector(tokens, points, there), there),
        ),
        "X-Fi, fusion alone, 32 tokens a sensor": ([alone], lambda: alone(projected, there)),
        "ours, fusion alone, one vector a sensor": ([own], lambda: own(features)),
    }
    modules = {name: nn.ModuleList(parts) for name, (parts, _) in candidates.items()}
    return (
        {name: training_step(modules[name], predict, pose) for name, (_, predict) in candidates.items()},
        {name: parameters(module) for name, module in modules.items()},
    )


def report(measured: list[Measurement], sizes: dict[str, int]) -> str:
    """Times, ratios and sizes; Markdown."""
    lines = [
        f"### A training step of X-Fi's fusion, width {WIDTH}, batch of {BATCH}, {len(TOKENS)} sensors",
        "",
        "| candidate | median | min | max | speed-up over first | parameters, million |",
        "|---|---|---|---|---|---|",
    ]
    for m in measured:
        times = " | ".join(f"{1e3 * s:.1f} ms" for s in (m.median, min(m.seconds), max(m.seconds)))
        lines.append(f"| {m.name} | {times} | {m.ratio:.2f}x | {sizes[m.name] / 1e6:.1f} |")
    return "\n".join(lines)


def table(rounds: int = 5) -> str:
    """Markdown, or one line with the reason where X-Fi is left out."""
    folder = os.environ.get("XFI")
    if reason := reason_to_skip(folder):
        return f"X-Fi's training step: skipped, because {reason}."
    candidates, sizes = steps(Path(str(folder)))
    return report(compare(dict(candidates), rounds, clock=time.process_time), sizes)
