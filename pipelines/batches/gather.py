"""Gathers the numbers of many frames from one flat array: a single vectorised copy per modality.

Legend: B rows, T frames of a window, N points, C channels.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipose.models.sensors import Image
from equipose.pipelines.images import decode
from equipose.pipelines.store.layout import FrameLayout

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

MAX_THREADS = 4
"""That decode pictures in one process; ranks and actors share the machine."""


def gather_dense(numbers: Floats, starts: Ints, shape: tuple[int, ...]) -> Floats:
    """[*starts.shape, *shape]: a copy of the numbers that follow each start."""
    width = int(np.prod(shape))
    every_run = np.lib.stride_tricks.as_strided(
        numbers, (numbers.size - width + 1, width), (numbers.itemsize, numbers.itemsize), writeable=False
    )
    return every_run[starts].reshape(*starts.shape, *shape)


def gather_points(numbers: Floats, starts: Ints, positions: Ints, mask: Mask, channels: int) -> Floats:
    """[B, N, C]: points `positions` [B, N] of the clouds that begin at `starts` [B]; zeros where masked."""
    if len(numbers) < channels:  # not one point in the file
        return np.zeros((*positions.shape, channels), np.float32)
    first = starts[:, None] + channels * positions
    points = np.empty((*positions.shape, channels), np.float32)
    for c in range(channels):
        np.multiply(numbers[c:].take(first, mode="clip"), mask, out=points[..., c])
    return points


def window_rows(layout: FrameLayout, rows: Ints, window: int, usable: Mask) -> Ints:
    """[B, T] rows of a window centred on each of `rows` [B], inside the row's own sequence.

    Beyond the sequence's ends its first or last frame repeats; a neighbour that is not `usable` ([R], all
    rows of the store) is replaced by the centre frame.
    """
    reach = np.arange(window) - window // 2
    first, last = layout.first[rows, None], layout.last[rows, None]
    neighbours = np.clip(rows[:, None] + reach, first, last)
    return np.where(usable[neighbours], neighbours, rows[:, None])


def fused_clouds(layout: FrameLayout, modality: str, rows: Ints, frames: int) -> tuple[Ints, Ints]:
    """(starts [B], counts [B]) of clouds fused from each row and up to `frames` - 1 rows before it.

    Rows of one sequence lie one after another, so a fused cloud is one run of points, the oldest first;
    it never reaches into the sequence before.
    """
    oldest = np.maximum(rows - (frames - 1), layout.first[rows])
    each = [layout.counts[modality][np.maximum(rows - back, oldest)] * (rows - back >= oldest)
            for back in range(frames)]  # fmt: skip
    return layout.points[modality][oldest], np.sum(each, axis=0)


def rescale(grids: Tensor, low: Floats, high: Floats) -> Tensor:
    """Grids [B, ...] scaled in place to 0..1, given the extremes of each [B]; zeros where constant."""
    span = high - low
    span[span <= 0] = 1
    shape = (-1, *[1] * (grids.dim() - 1))  # torch's in-place broadcasts take half the time of NumPy's
    return grids.sub_(torch.from_numpy(low).view(shape)).div_(torch.from_numpy(span).view(shape))


def decode_images(
    content: Bytes, starts: Ints, sizes: Ints, image: Image, stride: int, turned: Mask | None = None
) -> Floats:
    """[B, C, H, W] pictures in the sensor's unit, of every `stride`-th pixel; zeros where there are no bytes.

    Left and right of `turned` [B] are exchanged first, so that the chosen pixels lie as in the others. Large
    batches are decoded by several threads: decoders release the interpreter's lock.
    """
    pictures = np.zeros((len(starts), *image.shape), image.dtype)

    def fill(rows: range) -> None:
        for row in rows:
            if sizes[row]:
                picture = decode(content[starts[row] : starts[row] + sizes[row]].tobytes(), image)
                pictures[row] = picture if turned is None or not turned[row] else picture[:, ::-1]

    threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MAX_THREADS)
    if len(starts) < 2 * threads or threads == 1:
        fill(range(len(starts)))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, [range(first, len(starts), threads) for first in range(threads)]))
    thinned = pictures[:, ::stride, ::stride]
    planes = thinned[:, None] if image.channels == 1 else np.moveaxis(thinned, -1, 1)
    return np.multiply(planes, np.float32(image.scale), dtype=np.float32)
