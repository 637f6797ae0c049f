from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipose.balancing.continual.memory.reservoir import Reservoir


@given(
    count=st.integers(0, 80),
    cuts=st.lists(st.integers(0, 80), max_size=5),
    capacity=st.integers(1, 20),
    seed=st.integers(0, 5),
)
def test_how_rows_are_cut_makes_no_difference(count: int, cuts: list[int], capacity: int, seed: int) -> None:
    whole = Reservoir(capacity=capacity, seed=seed).offered(range(count))
    parts = Reservoir(capacity=capacity, seed=seed)
    for piece in np.split(np.arange(count), sorted(cuts)):
        parts = parts.offered(piece.tolist())
    assert parts == whole
    assert whole.seen == count
    assert len(set(whole.rows)) == len(whole.rows) == min(count, capacity)
    assert set(whole.rows) <= set(range(count))


def test_every_row_is_kept_equally_often() -> None:
    """400 seeds, 5 of 25 rows: each row is expected 80 times, with a standard deviation of 8."""
    kept = np.zeros(25)
    for seed in range(400):
        kept[list(Reservoir(capacity=5, seed=seed).offered(range(25)).rows)] += 1
    assert kept.sum() == 2000
    assert kept.min() > 80 - 4 * 8
    assert kept.max() < 80 + 4 * 8


@pytest.mark.parametrize("seed", [1, 2])
def test_seeds_differ(seed: int) -> None:
    zero = Reservoir(capacity=5, seed=0).offered(range(100))
    assert Reservoir(capacity=5, seed=seed).offered(range(100)).rows != zero.rows
