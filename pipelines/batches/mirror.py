"""Triplets seen in a mirror, an augmentation of training: which rows, and what changes of them.

Legend: B rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipose.models.batch import Batch
from equipose.models.randomness import derive_seed
from equipose.models.sensors.triplet_inputs import (
    mirror_axis,
    mirrored_at,
    mirrored_camera,
    mirrored_joints,
    mirrored_pose,
)
from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.batches.sampling import random_bits, row_keys

Mask = NDArray[np.bool_]
JOINTED = ("keypoints", "exact_keypoints")
"""Signals with an entry per joint."""
NEEDED = ("box", "intrinsics")
"""They say where the mirror stands."""


def check_flip(flip: float, signals: tuple[str, ...], context: tuple[str, ...]) -> None:
    """Raise ValueError for a share that is none, or signals that have no mirrored reading."""
    if not 0 <= flip <= 1:
        raise ValueError(f"batch.flip must lie in [0, 1], got {flip}")
    if flip and (foreign := sorted(set(signals) - set(TRIPLET_NAMES))):
        raise ValueError(f"batch.flip={flip} mirrors triplets alone, not {foreign}; set batch.flip=0")
    if flip and not set(NEEDED) <= set(context):
        raise ValueError(f"batch.flip={flip} needs {list(NEEDED)} in batch.context, got {list(context)}")


def drawn(rows: NDArray[np.int64], flip: float, seed: int) -> Mask:
    """[B]: which of rows [B] are mirrored, each with probability `flip`; depends on (seed, row) alone."""
    return random_bits(row_keys(derive_seed(seed, "flip"), rows), 1)[:, 0] < flip * 2.0**32


def mirrored_rows(batch: Batch, turned: Mask) -> Batch:
    """The batch with its rows `turned` [B] seen in a mirror; their pictures were turned when decoded.

    There, because a view of every n-th pixel must start at the other edge. Invalid signals of these rows are
    turned as if they were valid: they are to be blanked afterwards.
    """
    chosen = torch.from_numpy(turned)
    if not chosen.any():
        return batch
    axis = mirror_axis(batch.context["box"], batch.context["intrinsics"])

    def signal(name: str, was: Tensor) -> Tensor:
        if name in JOINTED:
            now = mirrored_joints(axis, was)
        elif name == "box":
            now = mirrored_at(axis, was)
        else:
            now = mirrored_camera(was) if name == "intrinsics" else was
        return torch.where(chosen.view(-1, *[1] * (was.dim() - 1)), now, was)

    return replace(
        batch,
        inputs={name: signal(name, was) for name, was in batch.inputs.items()},
        context={name: signal(name, was) for name, was in batch.context.items()},
        targets={name: signal(name, was) for name, was in batch.targets.items()},
        pose=torch.where(chosen[:, None, None], mirrored_pose(batch.pose), batch.pose),
    )
