from __future__ import annotations

from collections.abc import Callable

import torch

from equipose.balancing.parts.rank_means import joined_means, shared_mean


def test_columns_ignore_what_is_not_kept() -> None:
    values = torch.tensor([[1.0, 5.0, 2.0], [3.0, 100.0, 2.0]])
    kept = torch.tensor([[True, True, False], [True, False, False]])
    found = joined_means(values, kept, lambda tensor: tensor)
    assert found[:2].tolist() == [2, 5]
    assert found[2].isnan()


def test_unequal_ranks_join_to_the_whole(thread_ranks: Callable) -> None:
    values = torch.arange(7, dtype=torch.float64)
    kept = torch.tensor([True, False, True, False, False, True, True])
    ranks, parts = thread_ranks(2), (slice(0, 3), slice(3, 7))

    def work(rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        mean, mine = ranks.mean(rank), parts[rank]
        columns = joined_means(values[mine, None], kept[mine, None], mean)
        return columns, mean(shared_mean(values[mine], kept[mine], mean))

    for columns, scalar in ranks.run(work):
        assert columns.item() == (0 + 2 + 5 + 6) / 4
        assert abs(scalar.item() - columns.item()) < 1e-12


def test_shared_mean_differentiates_through_kept_rows_only() -> None:
    values = torch.tensor([1.0, torch.inf, 3.0], requires_grad=True)
    shared_mean(values, torch.tensor([True, False, True]), lambda t: t).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.5, 0, 0.5]
    none = shared_mean(values, torch.zeros(3, dtype=torch.bool), lambda t: t)
    assert none.item() == 0
