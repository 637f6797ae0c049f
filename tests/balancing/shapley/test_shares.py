from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.method import Method
from equipose.balancing.shapley.shares import coalition_pass, contributions, errors_alone, full_error, shares
from equipose.models.pose_errors import mpjpe


def test_shares() -> None:
    assert shares(torch.tensor([1.0, -2.0, 3.0])).tolist() == [0.25, 0.0, 0.75]
    assert shares(torch.tensor([-1.0, 0.0])).tolist() == [0.5, 0.5]


def test_one_pass_has_the_errors_of_the_model_and_of_each_sensor_alone(
    toy_training: Callable[..., Any],
) -> None:
    training = toy_training(Method()).fit(1)
    run, model = training.view(), training.model
    found = coalition_pass(run, run.batches())
    poses = torch.cat([batch.pose for batch in training.batches])
    full = torch.cat([model(batch).pose for batch in training.batches])
    assert full_error(found) == pytest.approx(float(mpjpe(full, poses).mean().detach()), rel=1e-5)
    for m, error in enumerate(errors_alone(found, 3).tolist()):
        only = torch.arange(3) == m
        alone = torch.cat([model.fuse(model.encode(b), b.present & only) for b in training.batches])
        assert error == pytest.approx(float(mpjpe(alone, poses).mean().detach()), rel=1e-5)


def test_ranks_agree(toy_training: Callable[..., Any], thread_ranks: Callable[..., Any]) -> None:
    alone = toy_training(Method(), dtype=torch.float64).view()
    expected = contributions(coalition_pass(alone, alone.batches()), 3)
    ranks = thread_ranks(2)
    views = [
        toy_training(Method(), dtype=torch.float64, rank=r, world_size=2, mean=ranks.mean(r)).view()
        for r in range(2)
    ]
    for found in ranks.run(lambda r: contributions(coalition_pass(views[r], views[r].batches()), 3)):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
