"""What exact Shapley contributions cost: in validation, per training batch, and against re-encoding.

Shares are of CPU time on one torch thread, which other work on the machine disturbs least; the pool of
actors is timed by the clock on the wall.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import compare, cpu_seconds, markdown, one_thread
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Step
from equipose.balancing.run import Run
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.running import batch_contributions
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.fusion import FUSIONS
from equipose.models.metrics import pose_metrics
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.evaluation.coalition_pool import PoolConfig, evaluate_coalitions
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import run_epoch
from equipose.orchestrator.training.state import Training
from equipose.orchestrator.training.validation import recordings, validate
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig

BOUNDS = {"concat": 1.0, "mlp": 1.0, "attention": 5.0, "cross_attention": 50.0}
"""Per cent of an epoch that validates anyway."""
SUBJECTS = (1, 7, 8, 9, 14, 17, 18, 19, 21, 24, 28, 29, 34, 35, 36, 40)
ACTIONS = ("A03", "A13", "A19", "A22")
ROUNDS = 5


@dataclass(frozen=True)
class Share:
    """What something adds to something else, CPU seconds."""

    name: str
    base: float
    added: tuple[float, ...]

    @property
    def per_cent(self) -> float:
        """Median added time over the base."""
        return 100 * statistics.median(self.added) / self.base


def main(frames: int = 40, rounds: int = ROUNDS, paper: bool = True) -> str:
    """All tables as Markdown."""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        store = simulated_store(Path(folder) / "store", frames)
        trainings = {fusion: build(store, fusion) for fusion in FUSIONS}
        parts = [
            "## Shapley contributions",
            "Simulated data; `small` preset and batches of 64 unless said otherwise; one torch thread.",
            share_table(
                "Validation with contributions: CPU time added to an epoch that validates",
                [epoch_share(fusion, training, rounds) for fusion, training in trainings.items()],
            ),
            share_table(
                "Contributions of every training batch: CPU time added to a step and its part of validation",
                [
                    batch_share(f"{fusion}, batch {size}", build(store, fusion, batch=size), rounds)
                    for size in (64, 192)
                    for fusion in FUSIONS
                ],
            ),
            *(reencoding_table(fusion, training, rounds) for fusion, training in trainings.items()),
        ]
        if paper:
            parts.append(paper_table(store))
        parts.append(pool_table(store, trainings["concat"], Path(folder)))
    return "\n\n".join(parts)


def config_of(store: Path, fusion: str, preset: str = "small", batch: int = 64) -> TrainConfig:
    """A run like those of the default sweep."""
    return TrainConfig(
        data=DataConfig(
            store=str(store), batch=BatchConfig(batch_size=batch, views=point_views(lidar=96, mmwave=24))
        ),
        model=ModelConfig(preset=preset, fusion=fusion),  # type: ignore[arg-type]
        epochs=1000,
    )


def build(store: Path, fusion: str, preset: str = "small", batch: int = 64) -> Training:
    """A run at its start."""
    return build_training(config_of(store, fusion, preset, batch))


def simulated_store(path: Path, frames: int) -> Path:
    """A store of `frames` simulated frames of each of 64 sequences, all four sensors."""
    source = SimulatedSource(
        subjects=tuple(f"S{s:02d}" for s in SUBJECTS),
        actions=ACTIONS,
        config=SimulatorConfig(frames=frames),
    )
    prepare("simulated", source, path)
    return path


def validation_batches(training: Training) -> Iterable[Batch]:
    """All of the validation part."""
    return training.moved(training.validation.share(0, 1))


def plain_validation(training: Training) -> None:
    """Validation without contributions: the errors of the full model."""
    metrics = pose_metrics()
    with torch.no_grad(), evaluating(training.model):
        for batch in validation_batches(training):
            metrics.update(training.model(batch).pose, batch.pose)
    metrics.compute()


def epoch_share(fusion: str, training: Training, rounds: int) -> Share:
    """Validation with contributions minus validation without, over the epoch without."""

    def contributing() -> None:
        validate(training.model, validation_batches(training))

    run_epoch(training)
    epoch = cpu_seconds(lambda: run_epoch(training))
    pairs = [
        (cpu_seconds(contributing), cpu_seconds(lambda: plain_validation(training)))
        for _ in range(2 * rounds - 1)
    ]
    added = tuple(one - other for one, other in pairs)
    return Share(fusion, epoch - statistics.median(added), added)


def batch_share(name: str, training: Training, rounds: int) -> Share:
    """`contributions="batch"` of AWC: the step's own features, through the fusion only.

    Over the time of an epoch that validates, by its number of steps.
    """
    step, view = training_step(training)
    validating = cpu_seconds(lambda: plain_validation(training)) * len(view.batch) / len(training.train)
    contributing = [cpu_seconds(lambda: batch_contributions(view)) for _ in range(20 * rounds)]
    steps = [cpu_seconds(step) for _ in range(4 * rounds)]
    contributing += [cpu_seconds(lambda: batch_contributions(view)) for _ in range(20 * rounds)]
    return Share(name, statistics.median(steps) + validating, tuple(contributing))


def training_step(training: Training) -> tuple[Callable[[], None], Step]:
    """A plain training step on the first batch, and a method's view of it."""
    batch = next(iter(training.train.batches(training.train.epoch_order(0), epoch=0)))
    model = training.model.train()

    def step() -> None:
        training.optimizer.zero_grad(set_to_none=True)
        mpjpe(model(batch).pose, batch.pose).mean().backward()
        training.optimizer.step()

    run = Run(model=model, epoch=0, epochs=1, seed=0, loss=mpjpe, batches=lambda: [batch])
    outputs = model(batch)
    step()
    return step, Step(run=run, index=0, batch=batch, outputs=outputs, rng=torch_rng(0))


def share_table(title: str, shares: list[Share]) -> str:
    """Base, addition and bound of every fusion."""
    lines = [f"### {title}", "", "| fusion | without | added | share | bound |", "|---|---|---|---|---|"]
    lines += [
        f"| {s.name} | {1e3 * s.base:.1f} ms | {1e3 * statistics.median(s.added):.2f} ms "
        f"| {s.per_cent:.2f} % | {BOUNDS[s.name.split(',')[0]]:.0f} % |"
        for s in shares
    ]
    return "\n".join(lines)


def reencoding_table(fusion: str, training: Training, rounds: int) -> str:
    """Every coalition by a full forward of the model, or by one encoding that all coalitions share."""
    model, batch = training.model, next(iter(validation_batches(training)))
    masks = coalitions_of(len(model.modalities)).masks

    def again() -> torch.Tensor:
        return torch.stack([model(replace(batch, present=batch.present & mask)).pose for mask in masks])

    def shared() -> torch.Tensor:
        return coalition_predictions(model, model.encode(batch), model.present_of(batch))

    with torch.no_grad(), evaluating(model):
        torch.testing.assert_close(again(), shared(), rtol=1e-4, atol=1e-4)
        measured = compare(
            {"encoding for every coalition": again, "features shared": shared},
            rounds,
            clock=time.process_time,
        )
    return markdown(f"16 coalitions of a batch, {fusion} (CPU time; bound: 10x)", measured)


def paper_table(store: Path, size: int = 4) -> str:
    """Published widths on one small batch; an epoch has three training batches per validation batch."""
    training = build(store, "concat", "paper", size)
    step, _ = training_step(training)
    batch = next(iter(validation_batches(training)))
    with evaluating(training.model), torch.no_grad():
        validating = cpu_seconds(lambda: training.model(batch))
        features = training.model.encode(batch)
    epoch = 3 * cpu_seconds(step) + validating
    shares = []
    for fusion in FUSIONS:
        config = ModelConfig(preset="paper", fusion=fusion)  # type: ignore[arg-type]
        model = build_model(config, mean_pose=torch.zeros(17, 3), seed=0).eval()
        added = [
            cpu_seconds(lambda model=model: contributions(model, features, batch)) for _ in range(ROUNDS)
        ]
        shares.append(Share(f"{fusion}, `paper`", epoch, tuple(added)))
    return share_table(f"The same at the published widths, per batch of {size}", shares)


def contributions(model: PoseModel, features: torch.Tensor, batch: Batch) -> CoalitionStatistics:
    """What validation adds to one batch, its features given."""
    with torch.no_grad():
        predictions = coalition_predictions(model, features, batch.present)
        return CoalitionStatistics.from_predictions(predictions, batch.pose, recordings(batch))


def pool_table(store: Path, training: Training, folder: Path, repeats: int = 4) -> str:
    """The coalition pool with one and two actors, on every frame of the store several times."""
    checkpoints.save(training, config_of(store, "concat"), folder, {})
    rows = np.tile(np.arange(len(training.train.store)), repeats)

    def pool(actors: int) -> Callable[[], object]:
        return lambda: evaluate_coalitions(folder, rows, 4, PoolConfig(actors=actors))

    with ray_session():
        measured = compare({"1 actor": pool(1), "2 actors": pool(2)}, rounds=2, warmup=0)
    return markdown(f"Coalition pool, {len(rows)} frames, wall time with the actors' start", measured)
