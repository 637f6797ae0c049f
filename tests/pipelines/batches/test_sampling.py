"""The choice of points: all different, equally likely, and a function of (seed, row) alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipose.pipelines.batches.sampling import random_bits, row_keys, sample_points, stratified


@given(
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=20),
    size=st.integers(1, 80),
    seed=st.integers(0, 2**63 - 1),
)
def test_positions_are_different_real_points_or_padding(counts: list[int], size: int, seed: int) -> None:
    positions, mask = sample_points(np.array(counts), size, row_keys(seed, np.arange(len(counts))))
    assert positions.shape == mask.shape == (len(counts), size)
    for count, row, real in zip(counts, positions, mask, strict=True):
        assert real.sum() == min(count, size)
        assert len(set(row[real])) == real.sum()
        assert ((row >= 0) & (row < max(count, 1))).all()
        if count <= size:
            np.testing.assert_array_equal(row[real], np.arange(count))
            assert (row[~real] == 0).all()


@pytest.mark.parametrize(("count", "size"), [(7, 7), (8, 7), (10, 7), (29, 8), (50, 8), (1000, 256)])
def test_every_point_is_equally_likely(count: int, size: int) -> None:
    rows = 20_000
    chosen = stratified(np.full(rows, count), size, row_keys(3, np.arange(rows)))
    frequency = np.bincount(chosen.ravel(), minlength=count) / rows
    expected = size / count
    spread = np.sqrt(expected * (1 - expected) / rows)
    np.testing.assert_allclose(frequency, expected, atol=5 * spread + 1e-12)


def test_choice_depends_on_seed_and_row_not_on_company() -> None:
    rows = np.arange(50)
    counts = np.full(50, 200)
    together, _ = sample_points(counts, 16, row_keys(1, rows))
    for row in (0, 17, 49):
        alone, _ = sample_points(counts[:1], 16, row_keys(1, rows[row : row + 1]))
        np.testing.assert_array_equal(alone[0], together[row])
    other, _ = sample_points(counts, 16, row_keys(2, rows))
    assert (together != other).mean() > 0.9
    assert len({tuple(row) for row in together}) == 50


def test_bits_are_uniform_and_unrelated_between_neighbours() -> None:
    bits = random_bits(row_keys(0, np.arange(2000)), 64) / 2**32
    assert abs(bits.mean() - 0.5) < 0.004
    assert abs(bits.std() - 12**-0.5) < 0.003
    between_rows = np.corrcoef(bits[:-1].ravel(), bits[1:].ravel())[0, 1]
    between_slots = np.corrcoef(bits[:, :-1].ravel(), bits[:, 1:].ravel())[0, 1]
    assert max(abs(between_rows), abs(between_slots)) < 0.015
