"""The training loop: plain, readable from top to bottom, and free of Ray.

It runs alone or as one of several ranks; `equipose.orchestrator.ray_train.worker` runs it under Ray Train.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.losses import Losses
from equipose.balancing.method import StepContext
from equipose.balancing.run import Run
from equipose.balancing.train_step import take_step
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import derive_seed, torch_rng
from equipose.orchestrator.training.epoch_measures import (
    Displacement,
    GradientNorms,
    mean_losses,
    peak_memory_mib,
    reset_peak_memory,
)
from equipose.orchestrator.training.passes import (
    full_plan,
    held_out,
    planned_batches,
    recalibrate_batch_statistics,
    run_of,
    show_gallery,
)
from equipose.orchestrator.training.state import Training
from equipose.orchestrator.training.validation import Validation, validate
from equipose.pipelines.batches.source import BatchSource


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

    The caller logs and saves between epochs, when the state is complete: after the last one it holds what the
    method keeps of the task.
    """
    if training.epoch == 0:
        recalibrate_batch_statistics(training)
    if training.contributions is None and "contributions" in training.method.needs:
        training.contributions = _validate(training).shapley
    while training.epoch < training.epochs:
        result = run_epoch(training)
        if training.epoch == training.epochs:
            result = _ended(training, result)
        yield result


def run_epoch(training: Training) -> EpochResult:
    """One epoch of training and the validation after it; advances `training.epoch`."""
    result = _measured(training, train_epoch(training))
    training.epoch += 1
    training.history.append(result.metrics)
    return result


def train_epoch(training: Training) -> dict[str, float]:
    """The training half of an epoch, validation left out: what it measured on the way, by MLflow name."""
    start = time.perf_counter()
    reset_peak_memory(training.device)
    logged: dict[str, float | Tensor] = {}
    run = run_of(training, logged.__setitem__)
    lr = training.schedule.lr_at(run.epoch)
    for group in training.optimizer.param_groups:
        group["lr"] = lr
    plan = training.method.plan_epoch(full_plan(training), run)
    training.method.on_epoch_start(run)
    norms, moved = GradientNorms(training.model), Displacement(training.model)
    losses = [
        _epoch_step(training, run, index, batch, norms)
        for index, batch in enumerate(planned_batches(training, plan))
    ]
    recalibrate_batch_statistics(training)
    trained = time.perf_counter()
    logged |= mean_losses(losses, training.ranks) | norms.metrics() | moved.metrics()
    logged |= _steps(training, run.epoch, len(losses))
    logged["train/lr"] = lr
    logged["time/train_s"] = trained - start + (training.start_seconds if run.epoch == 0 else 0.0)
    return {name: float(value) for name, value in logged.items()}


def _measured(training: Training, metrics: dict[str, float]) -> EpochResult:
    """Validate the epoch that `training.epoch` stands for, and add what is found to its metrics."""
    start = time.perf_counter()
    found = _validate(training)
    training.contributions = found.shapley
    is_best = found.mpjpe_mm < training.best_mpjpe_mm
    if is_best:
        training.best_mpjpe_mm, training.best_epoch = found.mpjpe_mm, training.epoch
    metrics |= found.metrics()
    metrics |= {
        "train/mpjpe_mm": _error_mm(training, training.sample, _sampled(training)),
        "best/mpjpe_mm": training.best_mpjpe_mm,
        "best/epoch": float(training.best_epoch),
        "time/validation_s": time.perf_counter() - start,
        "time/shapley_s": found.shapley_seconds,
        "memory/peak_mib": peak_memory_mib(training.device),
    }
    for name, source in training.watched.items():
        metrics[f"task/{name}/val/mpjpe_mm"] = _error_mm(training, source, held_out(training, source))
    return EpochResult(epoch=training.epoch, metrics=metrics, validation=found, is_best=is_best)


def _ended(training: Training, last: EpochResult) -> EpochResult:
    """The last epoch after the method's end of the task, measured again where that moves the weights.

    Its checkpoint holds the moved weights, so its numbers, and whether it is the best, must be theirs.
    """
    start = time.perf_counter()
    training.method.on_task_end(run_of(training, lambda name, value: None))
    last.metrics["time/train_s"] += time.perf_counter() - start
    if not training.method.moves_weights_at_end:
        return last
    before = training.history[-2] if len(training.history) > 1 else {}
    training.best_mpjpe_mm = before.get("best/mpjpe_mm", float("inf"))
    training.best_epoch = int(before.get("best/epoch", -1))
    training.epoch -= 1
    again = _measured(training, last.metrics)
    training.epoch += 1
    return again


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
        objective=training.objective,
        clip_norm=training.schedule.clip_norm,
        backward=training.backward,
    )
    losses = take_step(training.method, context)
    norms.add()
    return losses


def _sampled(training: Training) -> Iterator[Batch]:
    """This rank's share of the sample of training rows."""
    ranks = training.ranks
    return training.moved(training.sample.share(ranks.rank, ranks.world_size))


def _error_mm(training: Training, source: BatchSource, batches: Iterable[Batch]) -> float:
    """MPJPE of the full model in evaluation mode, mm, on this rank's batches of a source.

    On training rows, its gap to held-out errors is memorisation; on the validation parts of earlier tasks,
    what it rises is forgetting.
    """
    ranks, model = training.ranks, training.model
    total = torch.zeros(2, dtype=torch.float64, device=training.device)
    show_gallery(model, source)
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            pose = model.fuse(model.encode(batch), model.present_of(batch))
            error = mpjpe(pose, batch.pose).double().sum()
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
    show_gallery(training.model, training.validation)
    return validate(
        training.model,
        held_out(training, training.validation),
        value_function=training.value_function,
        ranks=training.ranks,
    )
