"""Poses that a trained model predicts for the frames of a store, with a doubt each, as a Parquet file.

Legend: B batch, N frames, M sensors, C coalitions, J joints (17).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.models.base import SensorModel
from equipose.models.sensors import subset_name
from equipose.models.skeleton import JOINTS, ROOT
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.player.predictions import CAMERA
from equipose.pipelines.store import Store

KEYS: tuple[str, ...] = ("environment", "subject", "action", "number")
"""Columns that name a frame; stores of several cameras have `camera` besides."""
MILLIMETRES = 1000.0


def doubt_mm(poses: Tensor, codes: Tensor, present: Tensor) -> Tensor:
    """How far the poses from different sensors are apart: [B] float64, mm; NaN with fewer than two sensors.

    The mean over joints of sqrt(mean over subsets of |pose of the subset - mean of those poses|^2). Subsets
    are the coalitions of the sensors that the frame has, the empty one left out.

    poses: [C, B, J, 3] m, of coalitions with bitmasks `codes` [C]. present: [B, M] bool.
    """
    there = (present.long() << torch.arange(present.shape[1], device=present.device)).sum(dim=1)
    counts = ((codes[:, None] & ~there) == 0) & (codes[:, None] > 0)
    weight = counts.double()[..., None, None]
    wide, number = poses.double(), counts.sum(dim=0).double()[:, None, None]
    mean = (weight * wide).sum(dim=0) / number
    apart = (weight * (wide - mean).square()).sum(dim=0).sum(dim=-1) / number[..., 0]
    spread = MILLIMETRES * apart.sqrt().mean(dim=-1)
    return spread.where(present.sum(dim=1) > 1, torch.nan)


def predicted_poses(
    trained: TrainedModel,
    store: Store,
    rows: np.ndarray,
    *,
    sensors: tuple[str, ...],
    device: torch.device | str = "cpu",
) -> pl.DataFrame:
    """A row per frame, in the order of `rows`: `KEYS`, `sensors`, `doubt_mm` (see there), `pose`.

    Where the store has several cameras, `camera` follows the keys. sensors: those of the model that are used;
    the others count as missing and need not be in the store. The column names those that a frame really has,
    such as `RL`; `none` for a frame without any, whose pose is the model's answer to nothing. pose: [17, 3]
    float32, m, relative to what the model's training says (`batch.origin`). Rows need no valid pose. Raises
    ValueError where a pose is not finite, and for a model without a pose.
    """
    trained.check_pose()
    model = trained.model.to(device)
    config = trained.config.data.batch
    views = {name: config.views[name] for name in sensors}
    source = BatchSource(store, rows, replace(config, modalities=sensors, views=views), posed=False)
    poses, doubts, codes = [], [], []
    like = next(model.parameters())
    with torch.no_grad(), evaluating(model):
        for batch in source.in_order():
            pose, doubt, present = _predict(model, *model.encode_held(batch.to(like.device, like.dtype)))
            poses.append(pose)
            doubts.append(doubt)
            codes += present.tolist()
    found = torch.cat(poses).float().cpu().numpy()
    if not np.isfinite(found).all():
        raise ValueError(f"{trained.checkpoint}: the model predicts NaN or infinity; its training diverged")
    names = [subset_name(sum(1 << m for m, on in enumerate(row) if on), model.modalities) for row in codes]
    return (
        store.index[rows]
        .select(*KEYS, *((CAMERA,) if (store.index[CAMERA] != "").any() else ()))
        .with_columns(
            sensors=pl.Series(names, dtype=pl.String),
            doubt_mm=pl.Series(torch.cat(doubts).cpu().numpy()).fill_nan(None),
            pose=pl.Series(found, dtype=pl.Array(pl.Float32, (len(JOINTS), 3))),
        )
    )


def _predict(model: SensorModel, features: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(pose [B, J, 3] m, doubt [B] mm, present [B, M])."""
    coalitions = coalitions_of(len(model.modalities))
    poses = model.fuse_coalitions(features, coalitions.masks.to(features.device), present)
    codes = coalitions.codes.to(features.device)
    return model.fuse(features, present), doubt_mm(poses, codes, present), present


def write_poses(table: pl.DataFrame, path: Path, about: Mapping[str, str]) -> None:
    """Write `predicted_poses` as Parquet; the file appears complete or not at all.

    about: plain facts, such as the provenance, which go into the file's metadata as `equipose`, with the
    joints and units.
    """
    facts = {**about, "joints": list(JOINTS), "unit of pose": "m", "unit of doubt_mm": "mm"}
    arrow = table.to_arrow()
    arrow = arrow.replace_schema_metadata({"equipose": json.dumps(facts)})
    with atomic(path) as stream:
        pq.write_table(arrow, stream, compression="zstd")


def known_errors(
    table: pl.DataFrame, store: Store, rows: np.ndarray, origin: str = "sensor"
) -> tuple[pl.DataFrame, float]:
    """(`mpjpe_mm`, `doubt_mm` of the frames whose pose is known, Spearman correlation of the two).

    origin: what poses are relative to, `sensor` or `pelvis`. The correlation is NaN with fewer than three
    frames that have both, and where one does not vary.
    """
    known = store.index["valid_pose"].to_numpy()[rows]
    truth = np.stack([_true_poses(store, rows[known])]).reshape(-1, len(JOINTS), 3)
    truth = truth if origin == "sensor" else truth - truth[:, ROOT : ROOT + 1]
    mine = table.filter(pl.Series(known))
    apart = np.linalg.norm(mine["pose"].to_numpy().reshape(-1, len(JOINTS), 3) - truth, axis=-1)
    errors = mine.select("doubt_mm").with_columns(mpjpe_mm=pl.Series(MILLIMETRES * apart.mean(axis=-1)))
    both = errors.drop_nulls()
    if len(both) < 3 or both["doubt_mm"].n_unique() < 2:
        return errors, float("nan")
    return errors, float(both.select(pl.corr("doubt_mm", "mpjpe_mm", method="spearman")).item())


def _true_poses(store: Store, rows: np.ndarray) -> np.ndarray:
    """[n, 17, 3] m of these rows."""
    poses = np.empty((len(rows), len(JOINTS), 3), dtype=np.float32)
    places = store.index[rows].select("sequence", "offset").with_row_index("place")
    for (sequence,), part in places.group_by("sequence"):
        found = store.sequence(int(str(sequence))).pose
        poses[part["place"].to_numpy()] = found[part["offset"].to_numpy()]
    return poses
