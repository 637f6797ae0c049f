from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Method
from equipose.balancing.shapley.per_row import RowErrors, row_contributions, row_errors


def found(errors: list[list[float]], present: list[list[bool]] | None = None) -> RowErrors:
    table = torch.tensor(errors, dtype=torch.float64)
    players = table.shape[1].bit_length() - 1
    have = torch.ones(len(table), players, dtype=torch.bool) if present is None else torch.tensor(present)
    rows = torch.arange(len(table))
    return RowErrors(rows=rows, present=have, scored=rows >= 0, errors=table)


def test_contributions_by_hand() -> None:
    # Coalitions none, 1, 2, both; an error below 0.1 m is correct, and v(C) = |C| where it is.
    cases = found(
        [
            [9, 0.05, 0.05, 0.05],  # v = 0, 1, 1, 2: both full
            [9, 0.05, 0.5, 0.05],  # v = 0, 1, 0, 2: (1 + 2 - 0) / 2 and (0 + 2 - 1) / 2
            [9, 0.05, 0.5, 0.5],  # v = 0, 1, 0, 0: (1 + 0 - 0) / 2 and (0 + 0 - 1) / 2
            [9, 0.5, 0.5, 0.5],  # nothing is correct
        ]
    )
    expected = [[1.0, 1.0], [1.5, 0.5], [0.5, -0.5], [0.0, 0.0]]
    assert row_contributions(cases, "threshold", 0.1).tolist() == expected


def test_soft_correctness_by_hand() -> None:
    v = [0, np.exp(-1), np.exp(-2), 2 * np.exp(-0.5)]
    values = row_contributions(found([[7, 0.1, 0.2, 0.05]]), "soft", 0.1)[0]
    assert values.tolist() == pytest.approx([(v[1] + v[3] - v[2]) / 2, (v[2] + v[3] - v[1]) / 2])


def test_an_absent_modality_is_worth_nothing() -> None:
    values = row_contributions(found([[9, 0.05, 9, 0.05]], [[True, False]]), "threshold", 0.1)
    assert values.tolist() == [[1.0, 0.0]]


def test_errors_equal_a_plain_loop_on_any_number_of_ranks(
    toy_training: Callable, thread_ranks: Callable, masks: Callable
) -> None:
    training = toy_training(Method(), dtype=torch.float64, norm="batch", dropout=0.3)
    rows = torch.tensor([1, 4, 5, 17, 22])
    scored = torch.tensor([True, False, True, True, True])
    alone = row_errors(training.view(), rows, scored)
    model = training.model
    for n, row in enumerate(rows.tolist()):
        batch = training.batches[row // 8]
        assert torch.equal(alone.present[n], batch.present[row % 8])
        with torch.no_grad(), evaluating(model):
            features = model.encode(batch)
            for c, mask in enumerate(masks(3)):
                pose = model.fuse(features * mask[:, None])[row % 8]
                error = (pose - batch.pose[row % 8]).norm(dim=-1).mean()
                torch.testing.assert_close(alone.errors[n, c], error * scored[n], rtol=1e-10, atol=1e-10)
    ranks = thread_ranks(2)
    pair = [
        toy_training(Method(), dtype=torch.float64, rank=r, world_size=2, mean=ranks.mean(r), norm="batch")
        for r in range(2)
    ]
    first, second = ranks.run(lambda r: row_errors(pair[r].view(), rows, scored))
    assert torch.equal(first.errors, second.errors)
    assert torch.equal(first.present, alone.present)
    torch.testing.assert_close(first.errors, alone.errors, rtol=0, atol=1e-12)


def test_unknown_rows(toy_training: Callable) -> None:
    with pytest.raises(ValueError, match=r"rows \[99\]"):
        row_errors(toy_training(Method()).view(), torch.tensor([3, 99]))
