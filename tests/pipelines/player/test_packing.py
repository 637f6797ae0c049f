"""Numbers survive being packed to half a step, and NaN stays NaN."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipose.pipelines.player.packing import STEPS, packed, unpacked

NUMBERS = st.floats(-1e4, 1e4) | st.just(float("nan"))


@given(arrays.arrays(np.float64, st.integers(0, 20), elements=NUMBERS))
def test_numbers_return_to_half_a_step(values: NDArray[np.float64]) -> None:
    plain = packed(values)
    back = unpacked(plain)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    known = ~np.isnan(values)
    if known.any():
        assert np.abs(back[known] - values[known]).max() <= 0.51 * plain["step"] + 1e-9


def test_the_step_is_small_where_the_range_is() -> None:
    plain = packed(np.array([[0.0, 5.0], [2.5, np.inf]]))
    assert plain["step"] == pytest.approx(5 / STEPS)
    assert unpacked(plain)[:3] == pytest.approx([0, 5, 2.5], abs=1e-4)
    assert np.isnan(unpacked(plain)[3])


@pytest.mark.parametrize("values", [[3.0, 3.0], [np.nan, np.nan], []])
def test_no_range_is_no_trouble(values: list[float]) -> None:
    np.testing.assert_array_equal(unpacked(packed(np.array(values))), values)
