"""Which coalitions to evaluate when all 2^M are too many: windows of random circular orders.

Put the players on a circle in random order. Going round it from each of the M positions, in both directions,
gives 2M orders of arrival in which every player arrives exactly once after s others, for every s and in
either direction. So the estimate is stratified by coalition size, as Castro et al. (2017) and Maleki et al.
(2013) recommend, and it is exact for additive games. All 2M orders share the same M (M - 1) + 2 coalitions,
the windows of the circle. Rounds (circles) are independent, so their spread gives a valid standard error
(Mitchell et al. 2022 compare such designs).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipose.models.randomness import numpy_rng


def sampled_maps(
    players: int, rounds: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Coalitions to evaluate and, per round, the matrix from their values to Shapley values.

    Returns (codes [C], maps [rounds, M, C]); codes are bitmasks, increasing, from the empty to the full
    coalition. `maps[r] @ values` is an unbiased estimate that sums to values[-1] - values[0], for every r.
    """
    circles = [numpy_rng(seed, "coalitions", r).permutation(players) for r in range(rounds)]
    windows = np.stack([window_codes(circle) for circle in circles])
    codes = np.unique(windows)
    index = np.searchsorted(codes, windows)
    maps = np.zeros((rounds, players, len(codes)))
    for r, circle in enumerate(circles):
        for start in range(players):
            for size in range(players):
                after = index[r, start, size + 1], circle[(start + size) % players]
                before = index[r, start - 1, size + 1], circle[start - 1]
                for larger, player in (after, before):
                    maps[r, player, larger] += 1
                    maps[r, player, index[r, start, size]] -= 1
    return codes, maps / (2 * players)


def window_codes(circle: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[M, M + 1] bitmasks, by [start, size], of `size` consecutive players on the circle."""
    players = len(circle)
    bits = np.left_shift(np.int64(1), circle.astype(np.int64))
    rotated = bits[(np.arange(players)[:, None] + np.arange(players)) % players]
    empty = np.zeros((players, 1), dtype=np.int64)
    return np.concatenate([empty, rotated.cumsum(axis=1)], axis=1)
