"""Samples a fixed number of points from clouds of any size, the same for a row in any batch.

Legend: B rows, N points wanted. Every choice is a hash of (seed, epoch, row, slot), so it does not depend
on the batch, the rank or the step, and needs no generator with a state to keep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import SPLITMIX64_STEP, splitmix64

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]


def row_keys(seed: int, rows: Ints) -> Keys:
    """[B] well-mixed 64-bit keys of rows [B]."""
    return splitmix64(rows.astype(np.uint64) * SPLITMIX64_STEP + np.uint64(seed))


def random_bits(keys: Keys, count: int) -> NDArray[np.uint32]:
    """[B, count] uniform 32-bit numbers of keys [B] (a 32-bit finaliser of Wellons' `lowbias32` kind)."""
    low, high = keys.astype(np.uint32)[:, None], (keys >> np.uint64(32)).astype(np.uint32)[:, None]
    x = low + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= high
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def sample_points(counts: Ints, size: int, keys: Keys) -> tuple[Ints, NDArray[np.bool_]]:
    """Positions [B, N] of N = `size` points of clouds with `counts` [B] points, and their mask [B, N].

    A cloud of at most N points gives all of them in order, then padding (mask False). A larger one gives
    N different points, each point with the same probability; see `stratified`.
    """
    slots = np.arange(size)
    mask = slots < counts[:, None]
    positions = slots * mask
    large = np.flatnonzero(counts > size)
    if len(large):
        positions[large] = stratified(counts[large], size, keys[large])
    return positions, mask


def stratified(counts: Ints, size: int, keys: Keys) -> Ints:
    """[B, N] different positions below `counts` [B], all of which are at least N.

    The cloud's order is a circle, turned by a random angle and cut into N nearly equal runs; one point is
    drawn from each. Every point is chosen with probability N / count exactly, and since sensors write
    points in scan order, the sample covers the scene more evenly than independent draws would.
    """
    bits = random_bits(keys, size + 1).astype(np.int64)
    counts = counts[:, None]
    bounds = np.arange(size + 1) * ((counts << 32) // size)
    bounds >>= 32
    bounds[:, -1] = counts[:, 0]
    positions = np.diff(bounds)
    positions *= bits[:, :-1]
    positions >>= 32
    positions += bounds[:, :-1]
    positions += bits[:, -1:] * counts >> 32
    turned_back = positions - counts  # negative where within the circle, so huge when seen as unsigned
    return np.minimum(positions.view(np.uint64), turned_back.view(np.uint64)).view(np.int64)
