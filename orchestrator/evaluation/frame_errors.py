"""Errors of every subset of sensors, frame by frame, gathered batch by batch.

Legend: S subsets (all but the empty one), B batch, N frames, G recordings, J joints (17).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from equipose.models.pose_errors import joint_errors, procrustes_align
from equipose.models.skeleton import JOINTS, NUM_JOINTS

MILLIMETRES = 1000.0
RECORDING: tuple[str, ...] = ("environment", "subject", "action")
"""Columns of the store's index that identify a recording."""


def pose_errors_mm(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(error of every joint [S, B, J], PA-MPJPE [S, B]), both mm, float64 on the CPU.

    predictions: [S, B, J, 3] m; target: [B, J, 3] m. See `equipose.models.pose_errors` for the definitions.
    """
    wide, truth = predictions.detach().cpu().double(), target.detach().cpu().double()
    aligned = procrustes_align(wide, truth)
    return MILLIMETRES * joint_errors(wide, truth), MILLIMETRES * joint_errors(aligned, truth).mean(-1)


class SubsetErrors:
    """Per frame MPJPE and PA-MPJPE, and per recording the error of every joint, of every subset."""

    def __init__(self, subsets: Sequence[str], about: pl.DataFrame) -> None:
        """`about`: a row per frame, in the order of evaluation: `row`, `sequence` and `RECORDING`."""
        self._subsets = list(subsets)
        self._about = about
        self._recordings = about.group_by(RECORDING, maintain_order=True).agg(count=pl.len().cast(pl.Int64))
        numbered = self._recordings.select(RECORDING).with_row_index("recording")
        group = about.join(numbered, on=RECORDING, how="left", maintain_order="left")["recording"]
        self._group = torch.from_numpy(group.cast(pl.Int64).to_numpy().copy())
        self._done = 0
        frames = len(self._subsets), len(about)
        self._mpjpe = torch.full(frames, torch.nan, dtype=torch.float64)
        self._pa_mpjpe = self._mpjpe.clone()
        shape = len(self._subsets), len(self._recordings), NUM_JOINTS
        self._joint_sums = torch.zeros(shape, dtype=torch.float64)

    def add(self, predictions: Tensor, target: Tensor) -> None:
        """The next B frames. predictions: [S, B, J, 3] m; target: [B, J, 3] m."""
        here = slice(self._done, self._done + len(target))
        joints, self._pa_mpjpe[:, here] = pose_errors_mm(predictions, target)
        self._mpjpe[:, here] = joints.mean(-1)
        self._joint_sums.index_add_(1, self._group[here], joints)
        self._done = here.stop

    def frames(self) -> pl.DataFrame:
        """A row per (subset, frame): `subset`, the columns of `about`, `mpjpe_mm`, `pa_mpjpe_mm`."""
        assert self._done == len(self._about), f"{self._done} of {len(self._about)} frames were added"
        count = len(self._subsets)
        repeated = self._about[np.tile(np.arange(len(self._about)), count)]
        subset = pl.Series("subset", self._subsets).gather(np.repeat(np.arange(count), len(self._about)))
        errors = pl.DataFrame(
            {"mpjpe_mm": self._mpjpe.flatten().numpy(), "pa_mpjpe_mm": self._pa_mpjpe.flatten().numpy()}
        )
        return pl.concat([pl.DataFrame([subset]), repeated, errors], how="horizontal")

    def joints(self) -> pl.DataFrame:
        """A row per (subset, recording, joint): `subset`, `joint`, `RECORDING`, `error_sum_mm`, `count`."""
        s, g, j = self._joint_sums.shape
        names = pl.DataFrame(
            {
                "subset": np.repeat(self._subsets, g * j),
                "joint": np.tile(JOINTS, s * g),
            }
        )
        recordings = self._recordings[np.tile(np.repeat(np.arange(g), j), s)]
        sums = pl.DataFrame({"error_sum_mm": self._joint_sums.flatten().numpy()})
        table = pl.concat([names, recordings, sums], how="horizontal")
        return table.select("subset", "joint", *RECORDING, "error_sum_mm", "count")
