"""Input and output of a pose model.

Legend of shapes: B batch, T frames of a temporal window, N points, M modalities, D feature width,
J joints (17).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B synchronised frames in a fixed row order; sensors may be missing."""

    inputs: dict[str, Tensor]
    """modality -> tensor in the sensor's unit. Grids: [B, *shape], or [B, T, *shape] with a window, such as
    key points [B, T, 17, 2]. Points: [B, N, C]. Images: [B, C, H, W]."""
    masks: dict[str, Tensor]
    """point modality -> [B, N] bool, True where the point is real and not padding."""
    present: Tensor
    """[B, M] bool in the order of `inputs`: False if the sensor is absent or its data invalid."""
    pose: Tensor
    """[B, 17, 3] m, in the coordinate frame of the sensor, or relative to the pelvis."""
    index: Tensor
    """[B] int64 rows of the store's index."""
    labels: dict[str, Tensor] = field(default_factory=dict)
    """`environment`, `subject`, `action`: [B] int64 codes counting from 1, as in E01, S01, A01."""
    context: dict[str, Tensor] = field(default_factory=dict)
    """What encoders and decoders are told beside the inputs: the person's `box` [B, 3], the camera's
    `intrinsics` [B, 6]; zero where unknown."""
    targets: dict[str, Tensor] = field(default_factory=dict)
    """What is to be found besides `pose`: `exact_keypoints` [B, 17, 2] px; NaN where unknown."""

    def __len__(self) -> int:
        return len(self.pose)

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        non_blocking: bool = False,
    ) -> Batch:
        """The same batch on a device, with floating-point tensors in `dtype`.

        non_blocking: copies out of pinned memory are queued, and not waited for.
        """
        return self.each(
            lambda value: value.to(
                device=device, dtype=dtype if value.is_floating_point() else None, non_blocking=non_blocking
            )
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with every tensor changed."""

        def changed(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: change(item) for key, item in value.items()}
            return change(value)

        return Batch(**{f.name: changed(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a pose model returns for a batch."""

    features: Tensor
    """[B, M, D]; exactly zero where `present` is False."""
    pose: Tensor
    """[B, 17, 3] m."""
    unimodal: dict[str, Tensor] = field(default_factory=dict)
    """modality -> [B, 17, 3] m from that modality's own head; empty without unimodal heads."""


@dataclass(frozen=True, kw_only=True)
class AlignedOutputs:
    """What an aligned model returns for a batch."""

    embeddings: dict[str, Tensor]
    """Sensor, and `skeleton` for the pose itself -> [B, D], of any length; exactly zero where absent."""


def rows_of(batch: Batch, rows: slice | Tensor) -> Batch:
    """Some of a batch's samples; a slice gives views."""

    def cut(value: Any) -> Any:
        return {key: item[rows] for key, item in value.items()} if isinstance(value, dict) else value[rows]

    return Batch(**{f.name: cut(getattr(batch, f.name)) for f in fields(batch)})
