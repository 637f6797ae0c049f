"""What is timed for table 7 is one loss, in three ways."""

from __future__ import annotations

import torch

from equipose.orchestrator.unihpe.paper.cost import WAYS, batch_costs, random_embeddings, take_loss
from tests.orchestrator.unihpe.paper.made_outcome import made_outcome


def test_all_ways_give_the_same_loss() -> None:
    given = random_embeddings(12, 8)
    values = [take_loss(loss, given) for loss in WAYS.values()]
    torch.testing.assert_close(values, [values[0]] * len(values), rtol=1e-4, atol=1e-4)


def test_costs_are_a_step_with_pairs_and_the_term() -> None:
    costs = batch_costs(made_outcome({"pairs": 60.0}).trained[0].results[0], width=8, rounds=1)
    assert list(costs) == ["pairs", *WAYS]
    assert (costs["pairs"].batch_s, costs["pairs"].added_percent) == (0.5, 0.0)
    for name in WAYS:
        assert costs[name].batch_s > 0.5
        assert abs(costs[name].batch_s - 0.5 * (1 + costs[name].added_percent / 100)) < 1e-9
