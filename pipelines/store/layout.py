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

from equipose.pipelines.store.format import DENSE, RAGGED, ragged_of

Positions = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrameLayout:
    """Positions of R frames in a flat array of numbers."""

    numbers: NDArray[np.float32]
    """The whole file; only the positions below are meaningful."""
    dense: dict[str, Positions]
    """`rgb`, `wifi`, `pose` -> [R] position of the frame's first number."""
    points: dict[str, Positions]
    """`lidar`, `mmwave` -> [R] position of the frame's first point."""
    counts: dict[str, Positions]
    """`lidar`, `mmwave` -> [R] number of points."""
    first: Positions
    """[R] first row of the row's sequence."""
    last: Positions
    """[R] last row of the row's sequence."""
    wifi_min: NDArray[np.float32]
    """[R] smallest CSI amplitude of the frame."""
    wifi_max: NDArray[np.float32]
    """[R] largest CSI amplitude of the frame."""


def locate(buffer: pa.Buffer, table: pa.Table) -> FrameLayout:
    """Find the frames of `table`, which was read from `buffer` without copying."""
    batches = table.to_batches()
    sizes = np.array([batch.num_rows for batch in batches], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    usable = buffer.size // 4 * 4
    return FrameLayout(
        numbers=np.frombuffer(buffer.slice(0, usable), np.float32),
        dense={name: _join(_dense(b, name, buffer.address) for b in batches) for name in DENSE},
        points={name: _join(_points(b, name, buffer.address) for b in batches) for name in RAGGED},
        counts={name: _join(np.diff(ragged_of(b, name).offsets) for b in batches) for name in RAGGED},
        first=np.repeat(starts, sizes),
        last=np.repeat(starts + sizes - 1, sizes),
        wifi_min=table["wifi_min"].to_numpy(),
        wifi_max=table["wifi_max"].to_numpy(),
    )


def _join(arrays: Any) -> Positions:
    return np.concatenate(list(arrays)).astype(np.int64, copy=False)


def _dense(batch: pa.RecordBatch, name: str, base: int) -> Positions:
    width = int(np.prod(DENSE[name]))
    return _position(batch[name].flatten().to_numpy(), base) + width * np.arange(batch.num_rows)


def _points(batch: pa.RecordBatch, name: str, base: int) -> Positions:
    points = ragged_of(batch, name)
    return _position(points.values, base) + RAGGED[name] * points.offsets[:-1]


def _position(values: NDArray[np.float32], base: int) -> int:
    """Index in the flat array of the first of these numbers."""
    distance = int(values.ctypes.data) - base
    assert distance % 4 == 0, "Arrow aligns its buffers to 8 bytes"
    return distance // 4
