"""The passes over data that a run makes, and what of them a method sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import EpochPlan, Run
from equipose.models.alignment.model import AlignedModel
from equipose.models.base import SensorModel
from equipose.models.batch import Batch
from equipose.models.batch_statistics import recalibrate
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchSource

GALLERY_ROWS = 512
"""Poses of a gallery: evenly spaced rows of the part that is searched."""


def run_of(training: Training, log: Callable[[str, float | Tensor], None]) -> Run:
    """The method's view of the epoch about to start."""
    ranks, source, epoch = training.ranks, training.train, training.epoch

    def validation_share() -> Iterator[Batch]:
        yield from held_out(training, training.validation)

    return Run(
        model=cast(PoseModel, training.model),  # methods that balance are given no other, see TrainConfig
        epoch=training.epoch,
        epochs=training.epochs,
        seed=training.seed,
        loss=mpjpe,
        batches=lambda: _shown(training, source.rows),
        shuffled=lambda: _shown(training, source.epoch_order(epoch)),
        validation_batches=validation_share,
        mean=ranks.mean,
        gather=ranks.rows,
        rank=ranks.rank,
        world_size=ranks.world_size,
        contributions=training.contributions,
        recalibrate=partial(recalibrate_batch_statistics, training),
        task=training.task,
        batch_size=source.config.batch_size,
        training_rows=torch.from_numpy(np.sort(source.rows)),
        validation_rows=torch.from_numpy(np.sort(training.validation.rows)),
        rows=lambda rows: _shared(training, rows.numpy(), None),
        log=log,
    )


def _shown(training: Training, rows: NDArray[np.int64]) -> Iterator[Batch]:
    """This rank's share of rows of the store, without the readings that the method hides."""
    hidden = training.method.hidden
    return _shared(training, rows, None if hidden is None else hidden.visible(torch.tensor(rows)).numpy())


def _shared(
    training: Training, rows: NDArray[np.int64], present: NDArray[np.bool_] | None
) -> Iterator[Batch]:
    """This rank's share of rows of the store, in their order, on its device."""
    ranks = training.ranks
    batches = training.train.batches(rows, present, epoch=None, rank=ranks.rank, world_size=ranks.world_size)
    return training.moved(batches)


def held_out(training: Training, source: BatchSource) -> Iterator[Batch]:
    """This rank's share of a validation part, without the readings that the method hides."""
    ranks, hidden = training.ranks, training.method.hidden

    def shown(batch: Batch) -> Batch:
        if hidden is None:
            return batch
        return replace(batch, present=batch.present & hidden.visible(batch.index))

    return training.moved(map(shown, source.share(ranks.rank, ranks.world_size)))


def full_plan(training: Training) -> EpochPlan:
    """Every training row once, in this epoch's order, every modality allowed.

    Where the objective looks at whole rows only, those that lack a sensor are left out.
    """
    indices = torch.as_tensor(training.train.epoch_order(training.epoch))
    if training.objective.whole_rows:
        indices = indices[torch.from_numpy(training.train.valid(indices.numpy()).all(1))]
    present = torch.ones(len(indices), len(training.model.modalities), dtype=torch.bool)
    return EpochPlan(indices=indices, present=present)


def planned_batches(training: Training, plan: EpochPlan) -> Iterator[Batch]:
    """This rank's share of the plan, on its device."""
    ranks, hidden = training.ranks, training.method.hidden
    _check_plan(training, plan)
    present = plan.present if hidden is None else plan.present & hidden.visible(plan.indices)
    batches = training.train.batches(
        plan.indices.numpy(),
        present=present.numpy(),
        epoch=training.epoch,
        rank=ranks.rank,
        world_size=ranks.world_size,
        drop_last=True,
        batch_size=plan.batch_size,
    )
    return training.moved(batches)


def _check_plan(training: Training, plan: EpochPlan) -> None:
    """A method may only plan rows of the task and of its own memory, so that "no old data" holds."""
    allowed, memory = torch.tensor(training.train.rows), training.method.memory
    if memory is not None:
        allowed = torch.cat([allowed, memory])
    foreign = plan.indices[~torch.isin(plan.indices, allowed)]
    if len(foreign):
        raise ValueError(
            f"the method planned {len(foreign)} rows, such as {int(foreign[0])}, that are neither in the "
            "training part nor in its memory; list what it keeps in Method.memory"
        )


def recalibrate_batch_statistics(training: Training) -> None:
    """Bring running statistics to the current weights: every rank looks at the same batches.

    Evaluation passes and checkpoints would otherwise hold a lagging mean over the last steps, and each rank
    its own, of its share of every batch.
    """
    recalibrate(
        training.model,
        lambda: training.moved(training.sample.in_order()),
        training.model.every_layer,
    )


def show_gallery(model: SensorModel, source: BatchSource) -> None:
    """Before a pass over `source`: where poses are retrieved, show the model those that it may find."""
    if isinstance(model, AlignedModel) and model.needs_gallery:
        like = next(model.parameters())
        with evaluating(model):
            model.show(source.poses(GALLERY_ROWS).to(like.device, like.dtype))
