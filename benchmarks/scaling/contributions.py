"""What contributions cost as frames, modalities and actors grow.

The models are made up of many small sensors, each of which sees the hidden cause of the pose through its own
noise, because MM-Fi has four. Features are given: encoders are not part of what is measured here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.balancing.shapley import build, config_of
from benchmarks.scaling.curves import Panel, measured
from benchmarks.timing import cpu_seconds
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import ROUNDS, Coalitions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.models.fusion import FUSIONS, FusionOptions
from equipose.models.heads import PoseHead
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.evaluation.coalition_pool import PoolConfig, evaluate_coalitions

WIDTH = 64
ROWS = 64
MODALITIES = (2, 3, 4, 6, 8, 9, 10, 12)
FRAMES = (256, 1024, 4096, 16384)
SAMPLES = 30
REACH = 2.36


def model_of(modalities: int, fusion: str) -> PoseModel:
    """A fusion of features that are given, so encoders do nothing."""
    torch.manual_seed(0)
    part = FUSIONS[fusion](modalities, WIDTH, FusionOptions(hidden=128, layers=2))
    return PoseModel({f"s{m}": nn.Identity() for m in range(modalities)}, part, PoseHead(part.width, None))


def statistics_of(
    model: PoseModel, features: Tensor, pose: Tensor, coalitions: Coalitions
) -> CoalitionStatistics:
    """Statistics of the coalitions' predictions, batch by batch as validation computes them."""
    parts = []
    with torch.no_grad(), evaluating(model):
        for some, target in zip(features.split(ROWS), pose.split(ROWS), strict=True):
            predictions = model.fuse_coalitions(some, coalitions.masks)
            groups = torch.zeros(len(target), dtype=torch.int64)
            parts.append(CoalitionStatistics.from_predictions(predictions, target, groups))
    return CoalitionStatistics.merged(parts)


def frames_panel() -> Panel:
    """16 coalitions of four sensors, one torch thread."""

    def prepare(fusion: str) -> Callable[[int], Callable[[], float]]:
        model = model_of(4, fusion)

        def of_size(frames: int) -> Callable[[], float]:
            features, pose = torch.randn(frames, 4, WIDTH), torch.randn(frames, 17, 3)
            return lambda: cpu_seconds(lambda: statistics_of(model, features, pose, coalitions_of(4)))

        return of_size

    curves = tuple(measured(fusion, FRAMES, prepare(fusion), rounds=5) for fusion in FUSIONS)
    return Panel(title="Contributions of 4 modalities", over="frames", curves=curves)


def modalities_panel() -> Panel:
    """A batch of 64 frames as modalities grow: as the library does it, and all 2^M beyond eight as well."""

    def prepare(fusion: str, exact_up_to: int) -> Callable[[int], Callable[[], float]]:
        def of_size(modalities: int) -> Callable[[], float]:
            model = model_of(modalities, fusion)
            features, pose = torch.randn(ROWS, modalities, WIDTH), torch.randn(ROWS, 17, 3)
            coalitions = coalitions_of(modalities, exact_up_to=exact_up_to)
            return lambda: cpu_seconds(lambda: statistics_of(model, features, pose, coalitions))

        return of_size

    curves = [measured(fusion, MODALITIES, prepare(fusion, 8), rounds=9) for fusion in FUSIONS]
    curves.append(measured("mlp, all 2^M", (8, 9, 10, 12), prepare("mlp", 12), rounds=9))
    title = f"Contributions of a batch of {ROWS}"
    return Panel(title=title, over="modalities", curves=tuple(curves), linear=False)


def sampling_table(modalities: tuple[int, ...] = (9, 10, 12), steps: int = 400) -> str:
    """How far sampled contributions of a trained model lie from the exact ones, over many samples."""
    lines = [
        "### Sampled against exact contributions (Pearson) of a trained model of many small sensors",
        "",
        f"Root mean squares over the modalities and {SAMPLES} samples. 95 % of the errors should lie within "
        f"{REACH} error bars (Student's t, {ROUNDS - 1} degrees of freedom).",
        "",
        "| modalities | coalitions | largest score | error | error bar | errors within reach |",
        "|---|---|---|---|---|---|",
    ]
    for count in modalities:
        exact, found, bars = sampled_and_exact(count, steps)
        errors = (found - exact).abs()
        within = (errors <= REACH * bars).double().mean()
        lines.append(
            f"| {count} | {len(coalitions_of(count).codes)} of {1 << count} | {exact.max():.3f} "
            f"| {_rms(errors):.4f} | {_rms(bars):.4f} | {within:.0%} |"
        )
    return "\n".join(lines)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def sampled_and_exact(modalities: int, steps: int, samples: int = SAMPLES) -> tuple[Tensor, Tensor, Tensor]:
    """(exact [M], sampled [S, M], their standard errors [S, M]) of a model trained for some steps."""
    rng = torch.Generator().manual_seed(0)
    model = model_of(modalities, "mlp")
    mixing = torch.randn(modalities, 51, WIDTH, generator=rng) / 7
    noise = torch.linspace(0.2, 4, modalities)[:, None]

    def frames(count: int) -> tuple[Tensor, Tensor]:
        pose = torch.randn(count, 51, generator=rng)
        sensed = torch.einsum("bk,mkd->bmd", pose, mixing)
        sensed = sensed + noise * torch.randn(sensed.shape, generator=rng)
        return sensed, pose.view(-1, 17, 3)

    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        features, pose = frames(ROWS)
        optimizer.zero_grad()
        mpjpe(model.fuse(features), pose).mean().backward()
        optimizer.step()
    features, pose = frames(512)
    exact = coalitions_of(modalities, exact_up_to=12)
    worth = pearson_profit(statistics_of(model, features, pose, exact))
    chosen = [coalitions_of(modalities, seed=seed) for seed in range(samples)]
    found = torch.stack([sample.shapley(worth[sample.codes]) for sample in chosen])
    bars = torch.stack([sample.sampling_error(worth[sample.codes]) for sample in chosen])
    return exact.shapley(worth), found, bars


def pool_panel(store: Path, frames: tuple[int, ...] = (1024, 4096, 16384)) -> Panel:
    """The pool of actors on a trained model, wall time with the actors' start, encoders included."""
    training = build(store, "concat")
    available = np.arange(len(training.train.store))
    with tempfile.TemporaryDirectory() as folder, ray_session():
        checkpoints.save(training, config_of(store, "concat"), Path(folder), {})

        def prepare(actors: int) -> Callable[[int], Callable[[], float]]:
            def of_size(count: int) -> Callable[[], float]:
                rows = np.resize(available, count)

                def run() -> float:
                    start = time.perf_counter()
                    evaluate_coalitions(folder, rows, 4, PoolConfig(actors=actors))
                    return time.perf_counter() - start

                return run

            return of_size

        curves = tuple(
            measured(f"{actors} actor{'s' * (actors > 1)}", frames, prepare(actors), rounds=1, warmup=False)
            for actors in (1, 2)
        )
    return Panel(title="Coalition pool, 16 coalitions", over="frames", curves=curves)
