"""Which coalitions to look at where all 2^M are too many: windows of random circular orders.

Put the players on a circle in random order. Walking round it from each of the M places, in both directions,
gives 2M orders of arrival in which every player arrives exactly once after s others, for every s and in
either direction; so the estimate is stratified by coalition size, as Castro et al. (2017) and Maleki et al.
(2013) recommend, and it is exact for games in which players only add up. All 2M orders share the same
M (M - 1) + 2 coalitions, the windows of the circle. Rounds (circles) are independent of each other, which
makes the spread between them an honest error bar (Mitchell et al. 2022 compare such designs).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipose.models.randomness import numpy_rng


def sampled_maps(
    players: int, rounds: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Coalitions to evaluate and, per round, the matrix from their worth to Shapley values.

    Returns (codes [C], maps [rounds, M, C]); codes are bitmasks, increasing, from the empty to the full
    coalition. `maps[r] @ values` is an unbiased estimate that sums to values[-1] - values[0], for every r.
    """
    circles = [numpy_rng(seed, "coalitions", r).permutation(players) for r in range(rounds)]
    windows = np.stack([window_codes(circle) for circle in circles])
    codes = np.unique(windows)
    place = np.searchsorted(codes, windows)
    maps = np.zeros((rounds, players, len(codes)))
    for r, circle in enumerate(circles):
        for start in range(players):
            for size in range(players):
                after = place[r, start, size + 1], circle[(start + size) % players]
                before = place[r, start - 1, size + 1], circle[start - 1]
                for larger, player in (after, before):
                    maps[r, player, larger] += 1
                    maps[r, player, place[r, start, size]] -= 1
    return codes, maps / (2 * players)


def window_codes(circle: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[M, M + 1] bitmasks of the `size` players that follow each other on the circle from `start` on."""
    players = len(circle)
    bits = np.left_shift(np.int64(1), circle.astype(np.int64))
    turned = bits[(np.arange(players)[:, None] + np.arange(players)) % players]
    empty = np.zeros((players, 1), dtype=np.int64)
    return np.concatenate([empty, turned.cumsum(axis=1)], axis=1)
