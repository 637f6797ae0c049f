"""Losses of the joint head and of every unimodal head in one pass over data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.losses import POSE
from equipose.balancing.run import Run
from equipose.models.batch import Batch


def head_names(run: Run) -> list[str]:
    """Names of the losses, joint head first."""
    return [POSE, *(f"{POSE}/{modality}" for modality in run.model.modalities)]


def head_losses(run: Run, batches: Iterable[Batch]) -> Tensor:
    """[1 + M] float64 mean loss in m of the joint head and every unimodal head, over all ranks."""
    model = run.model
    total = torch.zeros(
        2 + len(model.modalities), dtype=torch.float64, device=next(model.parameters()).device
    )
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            features = model.encode(batch)
            poses = [model.fuse(features, model.present_of(batch)), *model.unimodal(features).values()]
            sums = [run.loss(pose, batch.pose).sum().double() for pose in poses]
            total += torch.stack([*sums, sums[0].new_tensor(len(batch))])
    total = run.mean(total).cpu()
    return total[:-1] / total[-1]


def evenly_spaced(batches: Iterable[Batch], fraction: float) -> Iterator[Batch]:
    """That share of the batches, evenly spaced, always with the first one."""
    due = 1.0
    for batch in batches:
        if due > 1 - 1e-9:
            due -= 1
            yield batch
        due += fraction
