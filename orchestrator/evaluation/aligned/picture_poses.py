"""Poses that a trained model sees in pictures which are no store's, made into crops as preparation does.

Legend: B batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.alignment.model import AlignedModel
from equipose.models.batch import Batch
from equipose.models.sensors import Image, ImageView, sensor_of, subset_name
from equipose.models.skeleton import JOINTS, NUM_JOINTS
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.pipelines.batches.gather import decode_images
from equipose.pipelines.readers.triplets.picture_folder import BoxedPicture, crop_of

IMAGE = "image"
BATCH = 32
"""Pictures at once."""


def check_pictures(trained: TrainedModel) -> None:
    """Raise ValueError for a model that makes no poses out of pictures alone."""
    if IMAGE not in trained.sensors:
        raise ValueError(
            f"{trained.checkpoint}: its sensors are {' '.join(trained.sensors)}, without {IMAGE}; --images "
            "takes a model that looks at pictures, use --store for this one"
        )
    if isinstance(trained.model, AlignedModel) and trained.model.needs_gallery:
        raise ValueError(
            f"{trained.checkpoint}: it has no decoder of poses; give a run of the stage `decoders`, the last"
        )


def poses_of_pictures(
    trained: TrainedModel,
    folder: Path,
    pictures: Sequence[BoxedPicture],
    *,
    device: torch.device | str = "cpu",
) -> pl.DataFrame:
    """A row per person, in the order given: `file`, its box (`centre_x`, `centre_y`, `side`, px), `sensors`,
    `doubt_mm`, which is empty, and `pose` [17, 3] float32, m.

    Raises ValueError for a model without pictures (see `check_pictures`) or whose poses are not finite,
    DataError for a picture that cannot be read.
    """
    check_pictures(trained)
    model = trained.model.to(device)
    like, code = next(model.parameters()), 1 << trained.sensors.index(IMAGE)
    boxes, found = [], []
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(pictures), BATCH):
            crops = [crop_of(folder, picture) for picture in pictures[start : start + BATCH]]
            boxes += [box for _, box in crops]
            batch = _batch(trained, [content for content, _ in crops])
            found.append(model.fuse(*model.encode_held(batch.to(like.device, like.dtype))))
    poses = torch.cat(found).float().cpu().numpy()
    if not np.isfinite(poses).all():
        raise ValueError(f"{trained.checkpoint}: the model predicts NaN or infinity; its training diverged")
    return pl.DataFrame(
        {
            "file": [picture.file for picture in pictures],
            **dict(zip(("centre_x", "centre_y", "side"), zip(*boxes, strict=True), strict=True)),
            "sensors": [subset_name(code, trained.sensors)] * len(pictures),
            "doubt_mm": pl.Series([None] * len(pictures), dtype=pl.Float64),
            "pose": pl.Series(poses, dtype=pl.Array(pl.Float32, (len(JOINTS), 3))),
        }
    )


def _batch(trained: TrainedModel, contents: list[bytes]) -> Batch:
    """Crops as a batch that holds nothing else, decoded as those of a store are."""
    layout, view = sensor_of(IMAGE).layout, trained.config.data.batch.views[IMAGE]
    assert isinstance(layout, Image)
    assert isinstance(view, ImageView)
    sizes = np.array([len(content) for content in contents])
    joined = np.frombuffer(b"".join(contents), np.uint8)
    images = decode_images(joined, np.cumsum(sizes) - sizes, sizes, layout, view.stride)
    rows = len(contents)
    return Batch(
        inputs={IMAGE: torch.from_numpy(images)},
        masks={},
        present=torch.ones(rows, 1, dtype=torch.bool),
        pose=torch.full((rows, NUM_JOINTS, 3), torch.nan),
        index=torch.arange(rows),
    )
