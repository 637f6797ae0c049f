"""What the features of a trained model are worth: a new linear head for every subset of sensors.

The encoders stay as they are. For every subset, ridge regression from the features of its sensors to the
pose is fitted on training frames; its strength is chosen on validation frames. The joint head of a model has
seen all sensors at once, so with one missing it is far from what the remaining features could give; a
refitted head shows how far.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.models.base import SensorModel
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.evaluation.frame_errors import RECORDING, SubsetErrors
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.batches.sharding import evenly_spaced
from equipose.pipelines.batches.source import BatchConfig, BatchSource

MOST_ROWS = 4096
"""Training frames that a head is fitted on, evenly spaced."""
STRENGTHS: tuple[float, ...] = tuple(10.0**power for power in range(-5, 3))
"""Ridge strengths tried, per frame and unit of a standardised feature."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of some frames and their poses, float64 on the CPU."""

    values: Tensor
    """[N, M, D], zero where a sensor is absent."""
    poses: Tensor
    """[N, J, 3] m."""


def features_of(model: SensorModel, source: BatchSource) -> Features:
    """Encode every frame of `source` in evaluation mode, in order."""
    like = next(model.parameters())
    values, poses = [], []
    with torch.no_grad(), evaluating(model):
        for batch in source.in_order():
            values.append(model.encode(batch.to(like.device, like.dtype)).double().cpu())
            poses.append(batch.pose.double())
    return Features(values=torch.cat(values), poses=torch.cat(poses))


def refitted_errors(model: SensorModel, data: RunData, batch: BatchConfig) -> pl.DataFrame:
    """Errors on the test part of a head fitted for every subset: a frame table, see `Evaluation.frames`."""
    rows = data.rows["train"]
    train = features_of(model, BatchSource(data.store, rows[evenly_spaced(len(rows), MOST_ROWS)], batch))
    validation = features_of(model, data.source("validation", batch))
    test_source = data.source("test", batch)
    test = features_of(model, test_source)
    coalitions = coalitions_of(len(model.modalities))
    errors = SubsetErrors(
        coalitions.names(model.modalities)[1:],
        data.store.index[test_source.rows].select("row", *RECORDING, "sequence"),
    )
    predictions = [predicted(mask, train, validation, test) for mask in coalitions.masks[1:]]
    errors.add(torch.stack(predictions), test.poses)
    return errors.frames()


def predicted(mask: Tensor, train: Features, validation: Features, test: Features) -> Tensor:
    """Poses [N, J, 3] m of the test frames from the sensors in `mask` [M] bool."""
    inputs, centre, scale = _standardised(train.values[:, mask].flatten(1))
    mean = train.poses.flatten(1).mean(dim=0)
    # One decomposition of X'X / N gives the solution for every strength.
    eigenvalues, vectors = torch.linalg.eigh(inputs.T @ inputs / len(inputs))
    projected = vectors.T @ (inputs.T @ (train.poses.flatten(1) - mean)) / len(inputs)

    def poses(features: Features, strength: float) -> Tensor:
        weights = vectors @ (projected / (eigenvalues.clamp_min(0) + strength)[:, None])
        flat: Tensor = (features.values[:, mask].flatten(1) - centre) / scale @ weights + mean
        return flat.view_as(features.poses)

    tried = [float(mpjpe(poses(validation, each), validation.poses).mean()) for each in STRENGTHS]
    return poses(test, STRENGTHS[tried.index(min(tried))])


def _standardised(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Columns with mean 0 and deviation 1, their means and deviations; constant columns become 0."""
    centre = values.mean(dim=0)
    scale = values.std(dim=0).clamp_min(1e-9)
    return (values - centre) / scale, centre, scale
