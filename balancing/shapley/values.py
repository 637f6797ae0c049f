"""Exact Shapley values and pairwise interactions of a game given by its 2^M coalition values.

Coalitions are bitmasks: bit `m` of index `S` is set if player `m` takes part. Every function is linear in the
values, so it is one product with a small matrix that depends only on M.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MAX_PLAYERS = 12
"""2^12 coalitions; more are not worth enumerating."""

Values = TypeVar("Values", npt.NDArray[np.floating], Tensor)
"""NumPy in, NumPy out; torch in, torch out. Computed in float64 either way."""


def shapley_values(values: Values) -> Values:
    """Shapley value of every player (Shapley 1953; the AWC paper, eq. of phi^m).

    values: [..., 2^M] value of each coalition, by bitmask. Returns [..., M] float64; they sum to
    `values[full] - values[empty]`. Raises ValueError unless the length is a power of two up to 2^12 and
    all values are finite.

    Examples:
        Alone the two players earn 1 and 2, together 5: the surplus of 2 is shared equally.

        >>> shapley_values(np.array([0.0, 1.0, 2.0, 5.0]))
        array([2., 3.])
    """
    return _apply(values, shapley_matrix(_num_players(values)))


def interaction_indices(values: Values) -> Values:
    """Shapley interaction index of every pair (Grabisch and Roubens 1999).

    values: as for `shapley_values`. Returns [..., M, M] float64, symmetric, zero on the diagonal;
    positive where two players gain more together than apart.

    Examples:
        >>> interaction_indices(np.array([0.0, 1.0, 2.0, 5.0]))
        array([[0., 2.],
               [2., 0.]])
    """
    players = _num_players(values)
    flat = _apply(values, _interaction_matrix(players))
    return flat.reshape(*values.shape[:-1], players, players)


def _num_players(values: npt.NDArray[np.floating] | Tensor) -> int:
    """M of [..., 2^M] values, after checking them."""
    length = values.shape[-1] if values.ndim else 0
    players = length.bit_length() - 1
    if length < 2 or length != 1 << players or players > MAX_PLAYERS:
        raise ValueError(
            f"values must hold 2^M coalitions with 1 <= M <= {MAX_PLAYERS} on their last axis, got "
            f"shape {tuple(values.shape)}; give one value per bitmask, the empty coalition included"
        )
    finite = torch.isfinite(values) if isinstance(values, Tensor) else np.isfinite(values)
    if not bool(finite.all()):
        raise ValueError("values holds NaN or infinity; every coalition needs a finite value")
    return players


def _apply(values: Values, matrix: npt.NDArray[np.float64]) -> Values:
    """values [..., 2^M] times matrix [K, 2^M], as [..., K] float64 of the same array kind."""
    if isinstance(values, Tensor):
        return values.double() @ torch.from_numpy(matrix).to(values.device).T
    return np.asarray(values, dtype=np.float64) @ matrix.T


def _membership(players: int) -> npt.NDArray[np.bool_]:
    """[2^M, M]: whether the player is in the coalition."""
    return (np.arange(1 << players)[:, None] >> np.arange(players) & 1).astype(bool)


@lru_cache(maxsize=MAX_PLAYERS)
def shapley_matrix(players: int) -> npt.NDArray[np.float64]:
    """[M, 2^M]: |S|!(M-|S|-1)!/M! for gaining coalitions, with the sign of v(S+m) - v(S)."""
    member = _membership(players)
    size = member.sum(axis=1)[:, None] - member
    weights = [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)]
    return (np.where(member, 1.0, -1.0) * np.array(weights)[size]).T.copy()


@lru_cache(maxsize=MAX_PLAYERS)
def _interaction_matrix(players: int) -> npt.NDArray[np.float64]:
    """[M*M, 2^M]: |S|!(M-|S|-2)!/(M-1)! with the sign of v(S+ij) - v(S+i) - v(S+j) + v(S)."""
    member = _membership(players)
    matrix = np.zeros((players, players, 1 << players))
    if players > 1:
        weights = [
            factorial(s) * factorial(players - s - 2) / factorial(players - 1) for s in range(players - 1)
        ]
        signs = np.where(member, 1.0, -1.0)
        for i, j in zip(*np.nonzero(~np.eye(players, dtype=bool)), strict=True):
            rest = member.sum(axis=1) - member[:, i] - member[:, j]
            matrix[i, j] = signs[:, i] * signs[:, j] * np.array(weights)[rest]
    return matrix.reshape(players * players, -1)
