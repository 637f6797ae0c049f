from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipose.balancing.methods.awc.clustering import two_groups


def cost(values: torch.Tensor, high: torch.Tensor) -> float:
    groups = [values[high], values[~high]]
    return sum(float((g - g.mean()).square().sum()) for g in groups if len(g))


@pytest.mark.parametrize(
    ("scores", "strong"),
    [
        ([40.0, 35.0, 5.0, 1.0], [True, True, False, False]),
        ([1.0, 40.0, 2.0, 3.0], [False, True, False, False]),
        ([-3.0, -1.0], [False, True]),
        ([2.0, 2.0, 2.0], [False, False, False]),
        ([5.0], [False]),
        ([0.0, 1.0, 2.0], [False, False, True]),
        ([7.0, 7.0, 1.0], [True, True, False]),
    ],
)
def test_by_hand(scores: list[float], strong: list[bool]) -> None:
    assert two_groups(torch.tensor(scores)).tolist() == strong


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6))
def test_no_split_is_better(scores: list[float]) -> None:
    values = torch.tensor(scores, dtype=torch.float64)
    found = cost(values, two_groups(values))
    for members in itertools.product([False, True], repeat=len(scores)):
        assert found <= cost(values, torch.tensor(members)) + 1e-6 or len(set(scores)) == 1


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_order_does_not_matter(scores: list[int], random: object) -> None:
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    values = torch.tensor(scores, dtype=torch.float64)
    assert torch.equal(two_groups(values)[order], two_groups(values[order]))


@pytest.mark.parametrize("bad", [[1.0, torch.nan], [torch.inf, 0.0], []])
def test_rejects(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        two_groups(torch.tensor(bad))
