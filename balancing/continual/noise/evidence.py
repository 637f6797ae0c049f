"""One pass over the rows of a task, in which every reading is shown, and what it tells of each.

Legend: N rows of all ranks, n rows of this one, M modalities, D feature width.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from equipose.balancing.continual.noise.row_games import harms
from equipose.balancing.continual.noise.shared_rows import SharedRows, shared_rows
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import Run
from equipose.balancing.shapley.per_row import coalition_errors
from equipose.models.batch import Batch

Channel = Literal["features", "heads", "contributions"]
CHANNELS: tuple[Channel, ...] = ("features", "heads", "contributions")
"""Kinds of evidence: channels a, b and c."""
RECORDING = ("environment", "subject", "action")
"""Labels that name a recording, of those that the data has."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a pass has seen; tables of N rows are joined over ranks."""

    shared: SharedRows
    features: Tensor
    """[n, M, D] in the model's precision; empty columns without the channel `features`."""
    poses: Tensor
    """[n, 51] float64, m."""
    recordings: Tensor
    """[N] int64 codes from 0."""
    present: Tensor
    """[N, M] bool: valid in the store, whether shown in training or not."""
    head_errors: Tensor | None
    """[N, M] float64, m, of every sensor's own head; None without the channel `heads`."""
    harms: Tensor | None
    """[N, M] float64, m, see `row_games`; None without the channel `contributions`."""


def gathered(run: Run, rows: Tensor, channels: Collection[Channel]) -> Evidence:
    """The evidence on rows of the store [N] int64, ascending, in evaluation mode and without gradient.

    The features of this rank's rows are kept in memory: n M D numbers in the model's precision.
    Raises ValueError if this rank has no row.
    """
    with torch.no_grad(), evaluating(run.model):
        parts = [_part(run, batch, channels) for batch in run.rows(rows)]
    if not parts:
        raise ValueError(f"a rank has none of {len(rows)} rows to score; train on at least one row per rank")
    seen = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    device = next(run.model.parameters()).device
    shared = shared_rows(rows, seen["index"], lambda tensor: run.mean(tensor.to(device)).cpu())
    present = shared.joined(seen["present"]) > 0
    names = shared.joined(seen["recording"]).round().long()
    joined = {name: shared.joined(seen[name]) for name in ("heads", "contributions") if name in channels}
    return Evidence(
        shared=shared,
        features=seen["features"],
        poses=seen["poses"],
        recordings=torch.unique(names, dim=0, return_inverse=True)[1],
        present=present,
        head_errors=joined.get("heads"),
        harms=harms(joined["contributions"], present) if "contributions" in joined else None,
    )


def _part(run: Run, batch: Batch, channels: Collection[Channel]) -> dict[str, Tensor]:
    """What one batch of B rows tells, on the CPU."""
    model, found = run.model, {"index": batch.index, "poses": batch.pose.flatten(1).double()}
    features = model.encode(batch)
    found["present"] = model.present_of(batch)
    labels = [batch.labels[name] for name in RECORDING if name in batch.labels]
    found["recording"] = torch.stack([*labels, torch.zeros_like(batch.index)], dim=1)
    found["features"] = features if "features" in channels else features[..., :0]
    if "heads" in channels:
        poses = model.unimodal(features).values()
        found["heads"] = torch.stack([run.loss(pose, batch.pose) for pose in poses], dim=1).double()
    if "contributions" in channels:
        found["contributions"] = coalition_errors(run, batch)
    return {name: value.cpu() for name, value in found.items()}
