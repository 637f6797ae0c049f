from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from equipose.balancing.parts.row_randomness import row_uniforms
from equipose.models.randomness import torch_rng


def test_rows_decide_not_positions() -> None:
    index = torch.tensor([7, 3, 123456, 0])
    numbers = row_uniforms(index, 3, torch_rng(0, "a"))
    again = row_uniforms(index.flip(0), 4, torch_rng(0, "a")).flip(0)
    assert torch.equal(numbers, again[:, :3])
    assert not torch.equal(numbers, row_uniforms(index, 3, torch_rng(0, "b")))


def test_uniform_and_independent() -> None:
    numbers = row_uniforms(torch.arange(20_000), 4, torch_rng(1)).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(numbers.T) - np.eye(4)).max() < 0.04
    neighbours = np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]
    assert neighbours == pytest.approx(0, abs=0.03)
