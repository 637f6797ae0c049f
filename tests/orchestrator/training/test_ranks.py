"""Collectives of one rank are the identity; `test_equivalence.py` has real process groups."""

from __future__ import annotations

import pytest
import torch

from equipose.orchestrator.training.ranks import Ranks


def test_alone_nothing_is_copied_or_sent() -> None:
    alone, value = Ranks.current(), torch.arange(3.0)
    assert (alone.rank, alone.world_size, alone.first) == (0, 1, True)
    assert alone.mean(value) is value
    assert alone.gather("x") == ["x"]


@pytest.mark.parametrize(("rank", "size"), [(1, 1), (-1, 2), (0, 0)])
def test_a_rank_outside_its_world_is_refused(rank: int, size: int) -> None:
    with pytest.raises(ValueError, match=rf"world_size={size}\), got {rank}"):
        Ranks(rank=rank, world_size=size)


def test_only_rank_zero_is_first() -> None:
    assert [Ranks(rank=rank, world_size=3).first for rank in range(3)] == [True, False, False]
