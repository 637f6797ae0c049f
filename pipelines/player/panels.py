"""What a sensor saw, frame by frame, as small drawings: key points, points in space, a heat map, pictures.

Legend: F frames, J key points, P points of all frames; `keep` are the frames to show, ascending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.player.packing import packed, text

Rows = NDArray[np.int64]
TRIM = (1.0, 99.0)
"""Percentiles between which points fill a drawing; single far reflections must not shrink the person."""


@dataclass(frozen=True, kw_only=True)
class KeypointPanel:
    """Points of a picture and the lines between them."""

    title: str
    points: NDArray[np.floating]
    """[F, J, 2] pixels, x right and y down; NaN where there is no reading."""
    bones: Sequence[tuple[int, int]] = ()

    def __len__(self) -> int:
        return len(self.points)

    def plain(self, keep: Rows) -> dict[str, Any]:
        """As the player takes it."""
        shown = self.points[keep]
        return {
            "kind": "keypoints",
            "title": self.title,
            "bones": [list(bone) for bone in self.bones],
            "values": packed(shown),
            "box": box_of(shown.reshape(-1, 2), 0.0, 100.0),
        }


@dataclass(frozen=True, kw_only=True)
class CloudPanel:
    """Points in space, as many as each frame has."""

    title: str
    points: NDArray[np.floating]
    """[P, 3] metres, x right, y down, z away."""
    offsets: NDArray[np.integer]
    """[F + 1]; frame f owns rows `offsets[f]:offsets[f + 1]`; none where there is no reading."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def plain(self, keep: Rows) -> dict[str, Any]:
        """As the player takes it."""
        clouds = [self.points[self.offsets[f] : self.offsets[f + 1]] for f in keep]
        shown = np.concatenate([np.empty((0, 3)), *clouds])
        return {
            "kind": "cloud",
            "title": self.title,
            "values": packed(shown),
            "offsets": np.cumsum([0, *map(len, clouds)]).tolist(),
            "box": box_of(shown, *TRIM),
        }


@dataclass(frozen=True, kw_only=True)
class HeatPanel:
    """A small grid of numbers as colours, on one scale over all frames."""

    title: str
    values: NDArray[np.floating]
    """[F, height, width]; NaN where there is no reading."""

    def __len__(self) -> int:
        return len(self.values)

    def plain(self, keep: Rows) -> dict[str, Any]:
        """As the player takes it: a byte per number; 255 stands for NaN."""
        shown = self.values[keep]
        known = np.isfinite(shown)
        low, high = (float(v) for v in np.percentile(shown[known], TRIM)) if known.any() else (0.0, 0.0)
        scaled = np.clip((np.where(known, shown, low) - low) / (high - low or 1.0), 0.0, 1.0)
        steps = np.where(known, np.rint(scaled * 254), 255).astype(np.uint8)
        return {
            "kind": "heat",
            "title": self.title,
            "height": shown.shape[1],
            "width": shown.shape[2],
            "low": low,
            "high": high,
            "data": text(steps.tobytes()),
        }


@dataclass(frozen=True, kw_only=True)
class PicturePanel:
    """Photographs, or depth as grey."""

    title: str
    files: Sequence[bytes]
    """F small JPEG files; empty where there is no reading."""

    def __len__(self) -> int:
        return len(self.files)

    def plain(self, keep: Rows) -> dict[str, Any]:
        """As the player takes it."""
        return {"kind": "pictures", "title": self.title, "files": [text(self.files[f]) for f in keep]}


Panel = KeypointPanel | CloudPanel | HeatPanel | PicturePanel


def box_of(points: NDArray[np.floating], low: float, high: float) -> list[list[float]]:
    """[smallest, largest] corner of points [n, d] between two percentiles; zeros without a point."""
    known = points[np.isfinite(points).all(axis=-1)]
    if not len(known):
        return [[0.0] * points.shape[-1]] * 2
    return np.percentile(known, (low, high), axis=0).tolist()
