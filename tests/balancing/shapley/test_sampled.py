from __future__ import annotations

import numpy as np
import pytest

from equipose.balancing.shapley.sampled import sampled_maps, window_codes


def sizes(codes: np.ndarray) -> np.ndarray:
    return np.array([int(code).bit_count() for code in codes])


def test_windows_of_a_circle() -> None:
    codes = window_codes(np.array([2, 0, 1]))
    assert codes.tolist() == [[0, 0b100, 0b101, 0b111], [0, 0b001, 0b011, 0b111], [0, 0b010, 0b110, 0b111]]


@pytest.mark.parametrize("players", [3, 9, 12])
def test_every_size_of_coalition_weighs_the_same(players: int) -> None:
    """The strata of Castro et al.: a player joins s others with weight 1/M, for every s and round."""
    codes, maps = sampled_maps(players, rounds=2, seed=0)
    assert (np.diff(codes) > 0).all()
    assert (codes[0], codes[-1]) == (0, (1 << players) - 1)
    of_size = np.equal.outer(np.arange(players + 1), sizes(codes)).astype(float)
    member = (codes[:, None] >> np.arange(players) & 1).astype(bool)
    for round_map in maps:
        joined = of_size @ np.where(member, round_map.T, 0)
        left = of_size @ np.where(member, 0, round_map.T)
        np.testing.assert_allclose(joined[1:], 1 / players)
        np.testing.assert_allclose(left[:-1], -1 / players)


def test_far_fewer_coalitions_than_all_and_other_circles_for_other_seeds() -> None:
    codes, maps = sampled_maps(12, rounds=8, seed=0)
    assert len(codes) < 900
    assert maps.shape == (8, 12, len(codes))
    assert not np.array_equal(codes, sampled_maps(12, rounds=8, seed=1)[0])
