"""The training loop: plain, readable from top to bottom, and free of Ray.

It runs alone or as one of several ranks; `equipose.orchestrator.ray_train.worker` runs it under Ray Train.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import EpochPlan, Losses, Method, Run, StepContext
from equipose.balancing.train_step import take_step
from equipose.models.batch import Batch
from equipose.models.batch_statistics import recalibrate
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import derive_seed, torch_rng
from equipose.orchestrator.training.config import OptimizerConfig
from equipose.orchestrator.training.epoch_measures import (
    Displacement,
    GradientNorms,
    mean_losses,
    peak_memory_mib,
    reset_peak_memory,
)
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.validation import Validation, validate
from equipose.pipelines.batches.source import BatchSource


@dataclass(kw_only=True)
class Training:
    """Everything that changes while a run trains, and what it trains on."""

    model: PoseModel
    """The bare model."""
    wrapped: nn.Module
    """What the loop calls: the model, or DDP around it."""
    method: Method
    optimizer: torch.optim.Optimizer
    schedule: OptimizerConfig
    train: BatchSource
    sample: BatchSource
    """Training rows spread over the whole part, in mixed order: whole batches for the statistics of batch
    normalisation and for the error on training data."""
    validation: BatchSource
    epochs: int
    seed: int
    value_function: str
    ranks: Ranks = field(default_factory=Ranks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    epoch: int = 0
    """The next epoch to run."""
    contributions: Tensor | None = None
    """[M] Shapley scores of the latest validation pass."""
    best_mpjpe_mm: float = float("inf")
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of every finished epoch; checkpoints carry it, so the curves of a run need no server."""

    @property
    def metrics(self) -> dict[str, float]:
        """Of the latest epoch; empty before the first."""
        return self.history[-1] if self.history else {}

    def to_device(self, batch: Batch) -> Batch:
        """The batch on the model's device and in its precision."""
        return batch.to(self.device, self.dtype)


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """The outcome of one epoch."""

    epoch: int
    metrics: dict[str, float]
    """MLflow names, e.g. `train/loss`, `val/mpjpe_mm`, `shapley/rgb`; errors in mm."""
    validation: Validation
    is_best: bool


def fit(training: Training) -> Iterator[EpochResult]:
    """Train from `training.epoch` to the end, yielding after every epoch.

    The caller logs and saves between epochs, when the state is complete.
    """
    if training.epoch == 0:
        _recalibrate(training)
    if training.contributions is None and "contributions" in training.method.needs:
        training.contributions = _validate(training).shapley
    while training.epoch < training.epochs:
        yield run_epoch(training)
    training.method.on_task_end(run_of(training, lambda name, value: None))


def run_epoch(training: Training) -> EpochResult:
    """One epoch of training and the validation after it; advances `training.epoch`."""
    start = time.perf_counter()
    reset_peak_memory(training.device)
    logged: dict[str, float | Tensor] = {}
    run = run_of(training, logged.__setitem__)
    lr = training.schedule.lr_at(run.epoch)
    for group in training.optimizer.param_groups:
        group["lr"] = lr
    plan = training.method.plan_epoch(_full_plan(training), run)
    training.method.on_epoch_start(run)
    norms, moved = GradientNorms(training.model), Displacement(training.model)
    losses = [
        _epoch_step(training, run, index, batch, norms)
        for index, batch in enumerate(_batches(training, plan))
    ]
    _recalibrate(training)
    trained = time.perf_counter()

    result = _validate(training)
    training.contributions = result.shapley
    is_best = result.mpjpe_mm < training.best_mpjpe_mm
    if is_best:
        training.best_mpjpe_mm, training.best_epoch = result.mpjpe_mm, run.epoch
    measured = {name: float(value) for name, value in logged.items()}
    metrics = measured | mean_losses(losses, training.ranks) | norms.metrics() | moved.metrics()
    metrics |= result.metrics() | _steps(training, run.epoch, len(losses))
    metrics |= {
        "train/mpjpe_mm": _training_error_mm(training),
        "best/mpjpe_mm": training.best_mpjpe_mm,
        "best/epoch": float(training.best_epoch),
        "train/lr": lr,
        "time/train_s": trained - start,
        "time/validation_s": time.perf_counter() - trained,
        "time/shapley_s": result.shapley_seconds,
        "memory/peak_mib": peak_memory_mib(training.device),
    }
    training.epoch += 1
    training.history.append(metrics)
    return EpochResult(epoch=run.epoch, metrics=metrics, validation=result, is_best=is_best)


def _epoch_step(training: Training, run: Run, index: int, batch: Batch, norms: GradientNorms) -> Losses:
    """One step of an epoch, its randomness derived from (seed, epoch, step, rank)."""
    torch.manual_seed(derive_seed(run.seed, "step", run.epoch, index, training.ranks.rank))
    context = StepContext(
        run=run,
        wrapped=training.wrapped,
        optimizer=training.optimizer,
        batch=batch,
        index=index,
        rng=torch_rng(run.seed, "method", run.epoch, index),
        clip_norm=training.schedule.clip_norm,
    )
    losses = take_step(training.method, context)
    norms.add()
    return losses


def run_of(training: Training, log: Callable[[str, float | Tensor], None]) -> Run:
    """The method's view of the epoch about to start."""
    ranks, source, epoch = training.ranks, training.train, training.epoch

    def share() -> Iterator[Batch]:
        order = source.in_order(rank=ranks.rank, world_size=ranks.world_size)
        yield from map(training.to_device, order)

    def shuffled() -> Iterator[Batch]:
        order = source.epoch_order(epoch)
        batches = source.batches(order, epoch=None, rank=ranks.rank, world_size=ranks.world_size)
        yield from map(training.to_device, batches)

    def validation_share() -> Iterator[Batch]:
        yield from map(training.to_device, training.validation.share(ranks.rank, ranks.world_size))

    return Run(
        model=training.model,
        epoch=training.epoch,
        epochs=training.epochs,
        seed=training.seed,
        loss=mpjpe,
        batches=share,
        shuffled=shuffled,
        validation_batches=validation_share,
        mean=ranks.mean,
        contributions=training.contributions,
        recalibrate=partial(_recalibrate, training),
        log=log,
    )


def _full_plan(training: Training) -> EpochPlan:
    """Every training row once, in this epoch's order, every modality allowed."""
    indices = torch.as_tensor(training.train.epoch_order(training.epoch))
    present = torch.ones(len(indices), len(training.model.modalities), dtype=torch.bool)
    return EpochPlan(indices=indices, present=present)


def _batches(training: Training, plan: EpochPlan) -> Iterator[Batch]:
    """This rank's share of the plan, on its device."""
    ranks = training.ranks
    for batch in training.train.batches(
        plan.indices.numpy(),
        present=plan.present.numpy(),
        epoch=training.epoch,
        rank=ranks.rank,
        world_size=ranks.world_size,
        drop_last=True,
    ):
        yield training.to_device(batch)


def _recalibrate(training: Training) -> None:
    """Bring running statistics to the current weights: every rank looks at the same batches.

    Evaluation passes and checkpoints would otherwise hold a lagging mean over the last steps, and each rank
    its own, of its share of every batch.
    """
    recalibrate(training.model, lambda: map(training.to_device, training.sample.in_order()))


def _training_error_mm(training: Training) -> float:
    """MPJPE in evaluation mode on the sample of training rows: its gap to held-out errors is memorisation."""
    ranks, model = training.ranks, training.model
    total = torch.zeros(2, dtype=torch.float64, device=training.device)
    with torch.no_grad(), evaluating(model):
        for batch in map(training.to_device, training.sample.share(ranks.rank, ranks.world_size)):
            error = mpjpe(model(batch).pose, batch.pose).double().sum()
            total += torch.stack([error, error.new_tensor(len(batch))])
    error, count = ranks.mean(total).tolist()
    return 1000 * error / count


def _steps(training: Training, epoch: int, taken: int) -> dict[str, float]:
    """Steps so far in the epochs in which the method acts, and in all others."""
    before, acts = training.metrics, training.method.acts_in(epoch)
    return {
        name: before.get(name, 0.0) + (taken if acts == inside else 0)
        for name, inside in (("steps/method", True), ("steps/plain", False))
    }


def _validate(training: Training) -> Validation:
    return validate(
        training.model,
        map(training.to_device, training.validation.share(training.ranks.rank, training.ranks.world_size)),
        value_function=training.value_function,
        ranks=training.ranks,
    )
