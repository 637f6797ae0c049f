from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.balancing.continual.noise.shared_rows import shared_rows

ROWS = torch.tensor([3, 4, 8, 9, 20])


def test_ranks_join_their_rows_and_add_up(thread_ranks: Callable) -> None:
    ranks = thread_ranks(2)
    parts = [torch.tensor([9, 3, 20]), torch.tensor([8, 4])]

    def work(rank: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        shared = shared_rows(ROWS, parts[rank], ranks.mean(rank))
        return shared.ranks, shared.joined(parts[rank] * 10), shared.total(parts[rank].double().sum())

    for found, table, total in ranks.run(work):
        assert (found, float(total)) == (2, 44.0)
        assert table.tolist() == [30, 40, 80, 90, 200]


def test_a_row_that_no_rank_has_is_named() -> None:
    with pytest.raises(ValueError, match=r"rows \[8, 20\]"):
        shared_rows(ROWS, torch.tensor([9, 3, 4]), lambda tensor: tensor)
