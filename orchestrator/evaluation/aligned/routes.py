"""The ways from one view of a pose to another, judged frame by frame: UniHPE's tables 1 to 6.

`keypoints>pose`, `image>pose` and `image>keypoints`; `exact_keypoints>pose` has key points without a
detector's errors, and `skeleton>pose` says what the decoder alone loses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.alignment.config import POSE
from equipose.models.alignment.keypoint_errors import endpoint_errors, within_box
from equipose.models.base import RoutedModel
from equipose.models.batch import Batch
from equipose.models.pose_errors import n_mpjpe, pa_mpjpe, root_mpjpe
from equipose.models.sensors.triplet_inputs import keypoints_in_image
from equipose.models.skeleton import LSP14
from equipose.orchestrator.evaluation.frame_errors import MILLIMETRES, RECORDING
from equipose.orchestrator.training.passes import show_gallery
from equipose.pipelines.batches.source import BatchSource

ERRORS = ("mpjpe_mm", "pa_mpjpe_mm", "n_mpjpe_mm", "pa_mpjpe_j14_mm", "epe_px", "pck_share")
"""Columns of errors; those that a route does not have are null. `pck_share` is the share of joints within
0.05 of the box; `pa_mpjpe_j14_mm` is that of the 14 joints `LSP14`, which work on 3DPW reports."""


def route_errors(
    model: RoutedModel, source: BatchSource, joints: tuple[int, ...] | None = None
) -> pl.DataFrame:
    """A row per (route, frame): `route` (`image>pose`), `row`, `environment`, `subject`, `action`, `ERRORS`.

    Every frame counts for every route, also where the source is absent. Where poses are retrieved, they come
    from the gallery of the same part. joints: those of a pose that are judged, the pelvis among them, where
    the data does not have all (`Division.joints`); then there is no J14. A key point that nobody knows does
    not count, and a frame without any has NaN.
    """
    about = source.store.index[source.rows].select("row", *RECORDING)
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    show_gallery(model, source)
    like = next(model.parameters())
    with torch.no_grad(), evaluating(model):
        for batch in source.in_order():
            for route, errors in _of_batch(model, batch.to(like.device, like.dtype), joints):
                numbers = {name: value.double().cpu().numpy() for name, value in errors.items()}
                found.setdefault(route, []).append(numbers)
    tables = []
    for route, parts in found.items():
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns = [
            pl.Series(name, joined[name]) if name in joined else pl.lit(None, pl.Float64).alias(name)
            for name in ERRORS
        ]
        tables.append(about.with_columns(pl.lit(route).alias("route"), *columns))
    return pl.concat(tables).select("route", "row", *RECORDING, *ERRORS)


def _of_batch(
    model: RoutedModel, batch: Batch, joints: tuple[int, ...] | None
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    for (name, target), found in model.follow(batch).items():
        errors = _pose_errors(found, batch, joints) if target == POSE else _pixel_errors(found, batch)
        yield f"{name}>{target}", errors


def _pose_errors(found: Tensor, batch: Batch, joints: tuple[int, ...] | None) -> dict[str, Tensor]:
    chosen = slice(None) if joints is None else list(joints)
    wide, truth = found.double()[:, chosen], batch.pose.double()[:, chosen]
    kinds = {"mpjpe_mm": root_mpjpe, "pa_mpjpe_mm": pa_mpjpe, "n_mpjpe_mm": n_mpjpe}
    errors = {column: MILLIMETRES * error(wide, truth) for column, error in kinds.items()}
    if joints is None:
        errors["pa_mpjpe_j14_mm"] = MILLIMETRES * pa_mpjpe(wide[:, LSP14], truth[:, LSP14])
    return errors


def _pixel_errors(found: Tensor, batch: Batch) -> dict[str, Tensor]:
    box = batch.context["box"]
    pixels = keypoints_in_image(found, box).double()
    errors = endpoint_errors(pixels, batch.targets["exact_keypoints"].double())
    near = within_box(errors, box[:, 2].double()).double().where(errors.isfinite(), torch.nan)
    return {"epe_px": errors.nanmean(1), "pck_share": near.nanmean(1)}
