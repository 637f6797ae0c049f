from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipose.balancing.shapley.values import MAX_PLAYERS, interaction_indices, shapley_values

games = st.integers(1, 4).flatmap(
    lambda m: st.lists(st.floats(-100, 100), min_size=1 << m, max_size=1 << m).map(np.array)
)


def by_permutations(values: np.ndarray) -> np.ndarray:
    """The definition: a player's average gain over all orders of arrival."""
    players = len(values).bit_length() - 1
    scores = np.zeros(players)
    for order in itertools.permutations(range(players)):
        mask = 0
        for player in order:
            scores[player] += values[mask | 1 << player] - values[mask]
            mask |= 1 << player
    return scores / factorial(players)


def interaction_by_hand(values: np.ndarray, i: int, j: int) -> float:
    players = len(values).bit_length() - 1
    rest = [p for p in range(players) if p not in (i, j)]
    total = 0.0
    for size in range(len(rest) + 1):
        weight = factorial(size) * factorial(players - size - 2) / factorial(players - 1)
        for members in itertools.combinations(rest, size):
            s = sum(1 << p for p in members)
            gain = values[s | 1 << i | 1 << j] - values[s | 1 << i] - values[s | 1 << j] + values[s]
            total += weight * gain
    return total


@settings(deadline=None)  # a busy machine is no failure
@given(games)
def test_equals_average_over_orders(values: np.ndarray) -> None:
    np.testing.assert_allclose(shapley_values(values), by_permutations(values), atol=1e-10)


@settings(deadline=None)  # a busy machine is no failure
@given(games)
def test_efficiency(values: np.ndarray) -> None:
    assert abs(shapley_values(values).sum() - (values[-1] - values[0])) < 1e-9


@settings(deadline=None)  # a busy machine is no failure
@given(games, st.data())
def test_additivity(values: np.ndarray, data: st.DataObject) -> None:
    other = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=len(values), max_size=len(values))))
    np.testing.assert_allclose(
        shapley_values(values + 2 * other), shapley_values(values) + 2 * shapley_values(other), atol=1e-10
    )


def test_symmetry_and_dummy() -> None:
    # Players 0 and 1 are interchangeable, player 2 adds nothing to any coalition.
    worth = {0: 0.0, 1: 3.0, 2: 3.0, 3: 10.0}
    values = np.array([worth[mask & 3] for mask in range(8)])
    scores = shapley_values(values)
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0] == pytest.approx(5.0)
    assert abs(scores[2]) < 1e-12


def test_weights_of_four_players() -> None:
    values = torch.zeros(16, dtype=torch.float64)
    for mask, weight in ((0b0001, 1 / 4), (0b0011, 1 / 12), (0b0111, 1 / 12), (0b1111, 1 / 4)):
        values.zero_()
        values[mask] = 1.0
        assert shapley_values(values)[0].item() == pytest.approx(weight)


@pytest.mark.parametrize("players", [2, 3, 4])
def test_interactions(players: int) -> None:
    values = np.random.default_rng(players).normal(size=1 << players)
    found = interaction_indices(values)
    assert np.allclose(found, found.T)
    assert np.allclose(np.diag(found), 0)
    for i, j in itertools.combinations(range(players), 2):
        assert found[i, j] == pytest.approx(interaction_by_hand(values, i, j))


def test_additive_game_has_no_interaction() -> None:
    worth = np.array([1.0, 2.0, 4.0])
    values = np.array([sum(worth[p] for p in range(3) if mask >> p & 1) for mask in range(8)])
    np.testing.assert_allclose(shapley_values(values), worth)
    np.testing.assert_allclose(interaction_indices(values), 0, atol=1e-12)


def test_many_games_at_once_and_kind_of_array() -> None:
    values = torch.randn(5, 3, 8)
    scores = shapley_values(values)
    assert scores.shape == (5, 3, 3)
    assert scores.dtype == torch.float64
    np.testing.assert_allclose(scores[2, 1].numpy(), shapley_values(values[2, 1].numpy()), atol=1e-6)
    assert isinstance(shapley_values(values.numpy()), np.ndarray)
    assert interaction_indices(values).shape == (5, 3, 3, 3)


def test_one_and_most_players() -> None:
    assert shapley_values(np.array([1.0, 4.0])).tolist() == [3.0]
    assert interaction_indices(np.array([1.0, 4.0])).tolist() == [[0.0]]
    values = np.random.default_rng(0).normal(size=1 << MAX_PLAYERS)
    assert abs(shapley_values(values).sum() - (values[-1] - values[0])) < 1e-9


@pytest.mark.parametrize("length", [0, 1, 3, 15, 1 << (MAX_PLAYERS + 1)])
def test_rejects_lengths(length: int) -> None:
    with pytest.raises(ValueError, match="2\\^M coalitions"):
        shapley_values(np.zeros(length))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rejects_values_that_are_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        shapley_values(np.array([0.0, bad]))
    with pytest.raises(ValueError, match="NaN or infinity"):
        interaction_indices(torch.tensor([0.0, bad]))
