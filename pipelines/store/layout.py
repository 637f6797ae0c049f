"""Where every frame's numbers lie in the frame table, so that a batch is one gather per modality.

An Arrow file is one block of memory with 4-byte aligned numbers in it, however many record batches it
has. Seen as one flat float32 array, row `r` of a signal is a start position and a length, and frames of
different sequences are gathered together without any loop over sequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipose.pipelines.sequence import Packed, Ragged
from equipose.pipelines.store.format import packed_of, ragged_of
from equipose.pipelines.store.signals import StoredSignals

Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrameLayout:
    """Positions of R frames in a flat array of numbers."""

    numbers: NDArray[np.float32]
    """The whole file; only the positions below are meaningful."""
    content: NDArray[np.uint8]
    """The whole file as bytes, for pictures."""
    dense: dict[str, Positions]
    """Grid -> [R] position of the frame's first number."""
    points: dict[str, Positions]
    """Points -> [R] position of the frame's first point."""
    images: dict[str, Positions]
    """Image -> [R] position of the frame's first byte in `content`."""
    counts: dict[str, Positions]
    """Points, Image -> [R] number of points, of bytes."""
    first: Positions
    """[R] first row of the row's sequence."""
    last: Positions
    """[R] last row of the row's sequence."""
    extremes: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    """Grid that keeps them -> smallest and largest value of the frame, each [R]."""


def locate(buffer: pa.Buffer, table: pa.Table, signals: StoredSignals) -> FrameLayout:
    """Find the frames of `table`, which was read from `buffer` without copying."""
    batches, base = table.to_batches(), buffer.address
    sizes = np.array([batch.num_rows for batch in batches], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    usable = buffer.size // 4 * 4
    clouds = {
        name: [ragged_of(b, name, cloud.channels) for b in batches] for name, cloud in signals.points.items()
    }
    pictures = {name: [packed_of(b, name) for b in batches] for name in signals.images}
    return FrameLayout(
        numbers=np.frombuffer(buffer.slice(0, usable), np.float32),
        content=np.frombuffer(buffer, np.uint8),
        dense={
            name: _join(_dense(b, name, grid.size, base) for b in batches)
            for name, grid in signals.grids.items()
        },
        points={name: _join(_points(cloud, base) for cloud in each) for name, each in clouds.items()},
        images={name: _join(_images(packed, base) for packed in each) for name, each in pictures.items()},
        counts={name: _join(np.diff(cloud.offsets) for cloud in each) for name, each in clouds.items()}
        | {name: _join(np.diff(packed.offsets) for packed in each) for name, each in pictures.items()},
        first=np.repeat(starts, sizes),
        last=np.repeat(starts + sizes - 1, sizes),
        extremes={
            name: (table[f"{name}_min"].to_numpy(), table[f"{name}_max"].to_numpy())
            for name in signals.extremes
        },
    )


def _join(arrays: Any) -> Positions:
    return np.concatenate(list(arrays)).astype(np.int64, copy=False)


def _dense(batch: pa.RecordBatch, name: str, width: int, base: int) -> Positions:
    return _position(batch[name].flatten().to_numpy(), base) + width * np.arange(batch.num_rows)


def _points(cloud: Ragged, base: int) -> Positions:
    return _position(cloud.values, base) + cloud.values.shape[1] * cloud.offsets[:-1]


def _images(packed: Packed, base: int) -> Positions:
    return int(packed.values.ctypes.data) - base + packed.offsets[:-1]


def _position(values: NDArray[np.float32], base: int) -> int:
    """Index in the flat array of the first of these numbers."""
    distance = int(values.ctypes.data) - base
    assert distance % 4 == 0, "Arrow aligns its buffers to 8 bytes"
    return distance // 4
