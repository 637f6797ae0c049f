from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from equipose.balancing.shapley.coalitions import EXACT_PLAYERS, coalitions_of
from equipose.balancing.shapley.values import shapley_values


def game(players: int, seed: int = 0) -> Tensor:
    """[2^M] a game whose players help and hinder each other."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=1 << players)).cumsum(dim=0)


def test_all_coalitions_of_few_modalities() -> None:
    coalitions = coalitions_of(3)
    assert coalitions.exact
    assert coalitions.masks.shape == (8, 3)
    assert coalitions.masks[0b110].tolist() == [False, True, True]
    assert coalitions.alone.tolist() == [1, 2, 4]
    assert coalitions.shown == list(range(1, 8))
    assert coalitions.names(("rgb", "lidar", "wifi"))[:4] == ["none", "R", "L", "RL"]
    values = game(3)
    assert torch.equal(coalitions.shapley(values), shapley_values(values))
    assert coalitions.sampling_error(values).tolist() == [0, 0, 0]


def test_a_sample_takes_over_beyond_eight() -> None:
    assert coalitions_of(EXACT_PLAYERS).exact
    nine = coalitions_of(EXACT_PLAYERS + 1)
    assert not nine.exact
    assert len(nine.codes) < 512
    assert nine.codes[nine.alone].tolist() == [1 << m for m in range(9)]
    assert len(nine.shown) == 9 + 9 + 1
    unseen = next(code for code in range(512) if code not in set(nine.codes.tolist()))
    assert nine.index_of(unseen) is None
    assert nine.index_of(511) == len(nine.codes) - 1


@pytest.mark.parametrize("players", [5, 9])
def test_a_sample_is_efficient_and_exact_for_additive_games(players: int) -> None:
    coalitions = coalitions_of(players, exact_up_to=1)
    values = game(players)[coalitions.codes]
    assert float(coalitions.shapley(values).sum()) == pytest.approx(float(values[-1] - values[0]))
    worth = torch.arange(1.0, players + 1, dtype=torch.float64)
    added = coalitions.masks.double() @ worth
    torch.testing.assert_close(coalitions.shapley(added), worth)
    assert float(coalitions.sampling_error(added).max()) < 1e-12


def test_a_sample_is_unbiased_and_its_error_bar_true() -> None:
    """Over many samples: the mean is the exact value, and the spread equals the reported error."""
    players, seeds = 6, 400
    values = game(players)
    exact = shapley_values(values)
    estimates, variances = [], []
    for seed in range(seeds):
        coalitions = coalitions_of(players, exact_up_to=1, rounds=4, seed=seed)
        mine = values[coalitions.codes]
        estimates.append(coalitions.shapley(mine))
        variances.append(coalitions.sampling_error(mine) ** 2)
    spread = torch.stack(estimates).std(dim=0)
    assert float(spread.min()) > 0
    off = (torch.stack(estimates).mean(dim=0) - exact) / (spread / seeds**0.5)
    assert float(off.abs().max()) < 4
    ratio = torch.stack(variances).mean(dim=0).sqrt() / spread
    assert 0.85 < float(ratio.min()) <= float(ratio.max()) < 1.15


def test_rejects() -> None:
    for bad in (0, 33):
        with pytest.raises(ValueError, match=r"1\.\.32"):
            coalitions_of(bad)
    with pytest.raises(ValueError, match="rounds"):
        coalitions_of(9, rounds=1)
    with pytest.raises(ValueError, match="3 modalities need 8 coalitions, got 4"):
        coalitions_of(3).shapley(torch.zeros(4))
    with pytest.raises(ValueError, match="NaN"):
        coalitions_of(1).shapley(torch.tensor([0.0, torch.nan]))
