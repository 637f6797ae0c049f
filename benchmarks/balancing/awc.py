"""What AWC adds to plain training: to every step, and once per epoch for its Fisher pass.

CPU time on one torch thread; simulated data, `small` preset.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.timing import Measurement, compare, markdown, one_thread
from equipose.balancing.losses import POSE, total_loss
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.run import Run
from equipose.models.build import ModelConfig
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig

STEP_BOUND = 10.0
"""Per cent of a plain step, outside the Fisher pass."""
VARIANTS = {
    "contributions of validation": AWC.Config(),
    "contributions of every batch": AWC.Config(contributions="batch"),
}
ESTIMATES = {
    "per sample (default)": AWC.Config(),
    "per sample, a quarter of the batches": AWC.Config(fisher_fraction=0.25),
    "per batch": AWC.Config(fisher="per_batch"),
}


def main(frames: int = 20, rounds: int = 15) -> str:
    """Both tables as Markdown."""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        subjects = ("S01", "S07", "S08", "S09", "S14", "S18", "S19", "S24", "S28", "S34", "S39", "S40")
        source = SimulatedSource(
            subjects=subjects, actions=("A03", "A13", "A19", "A22"), config=SimulatorConfig(frames=frames)
        )
        prepare("simulated", source, Path(folder) / "store")
        training = build(Path(folder) / "store")
        return "\n\n".join(["## AWC", step_table(training, rounds), epoch_table(training, rounds // 5)])


def build(store: Path) -> Training:
    """A run of the default sweep's size at its start."""
    batch = BatchConfig(batch_size=64, views=point_views(lidar=96, mmwave=24))
    config = TrainConfig(data=DataConfig(store=str(store), batch=batch), model=ModelConfig(preset="small"))
    return build_training(config)


def run_of(training: Training, batches: int | None = None) -> Run:
    """A method's view of an epoch; `batches` limits its pass over the data."""
    scores = torch.tensor([4.0, 3.0, 1.0, 0.5], dtype=torch.float64)
    source = training.train
    taken = list(source.in_order())[:batches]
    return Run(
        model=training.model,
        epoch=0,
        epochs=1,
        seed=0,
        loss=mpjpe,
        batches=lambda: taken,
        shuffled=lambda: taken,
        contributions=scores,
    )


def step_of(training: Training, method: Method) -> Callable[[], None]:
    """A training step on one and the same batch under a method that has started its epoch."""
    run = run_of(training, 1)
    (batch,) = run.batches()
    method.on_epoch_start(run)
    model = training.model.train()

    def step() -> None:
        """Forward, the method's losses, backward and update; the weights move on from call to call."""
        training.optimizer.zero_grad(set_to_none=True)
        outputs = model(batch)
        view = Step(run=run, index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
        losses = method.shape_losses({POSE: mpjpe(outputs.pose, batch.pose).mean()}, view)
        total_loss(losses).backward()
        training.optimizer.step()

    return step


def step_table(training: Training, rounds: int) -> str:
    """Plain and AWC steps in turn."""
    steps = {"plain": step_of(training, Method())}
    steps |= {f"AWC, {name}": step_of(training, AWC(config)) for name, config in VARIANTS.items()}
    measured = compare(dict(steps), rounds=rounds, warmup=2, clock=time.process_time)
    added = "; ".join(f"{m.name}: {100 * (1 / m.ratio - 1):+.1f} %" for m in measured[1:])
    title = "Training step of 64 rows, CPU time"
    return markdown(title, measured) + f"\n\nAdded to a plain step (bound {STEP_BOUND:.0f} %): {added}."


def epoch_table(training: Training, rounds: int) -> str:
    """One Fisher pass over the training data, beside the steps of one plain epoch on it."""
    run, step = run_of(training), step_of(training, Method())
    steps = sum(1 for _ in run.batches())
    candidates: dict[str, Callable[[], object]] = {"plain epoch, training steps": lambda: repeat(step, steps)}
    for name, config in ESTIMATES.items():
        candidates[f"Fisher pass {name}"] = lambda config=config: AWC(config).on_epoch_start(run)
    measured = compare(candidates, rounds=max(1, rounds), clock=time.process_time)
    title = f"Fisher pass of an epoch of {steps} steps, CPU time"
    return markdown(title, measured) + f"\n\nOf a plain epoch's training: {shares(measured)}."


def repeat(step: Callable[[], None], count: int) -> None:
    """So many steps."""
    for _ in range(count):
        step()


def shares(measured: list[Measurement]) -> str:
    """Each candidate's median as per cent of the first one's."""
    base = statistics.median(measured[0].seconds)
    return "; ".join(f"{m.name} {100 * m.median / base:.0f} %" for m in measured[1:])
