from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from equipose.balancing.methods.sample_resampling import SampleResampling, copies
from equipose.balancing.shapley.per_row import row_contributions, row_errors

Config = SampleResampling.Config


def test_copies_of_the_paper() -> None:
    values = torch.tensor([[1.5, 1.0], [0.5, 0.0], [-0.5, -2.0]], dtype=torch.float64)
    present = torch.ones(3, 2, dtype=torch.bool)
    rng = np.random.default_rng(0)
    assert copies(values, present, 3, rng).tolist() == [[0, 0], [1, 2], [3, 3]]
    present[2, 0] = False
    assert copies(values, present, 1, rng).tolist() == [[0, 0], [1, 1], [0, 1]]


def test_fractions_are_probabilities() -> None:
    values = torch.full((4000, 1), 0.35, dtype=torch.float64)
    found = copies(values, torch.ones(4000, 1, dtype=torch.bool), 3, np.random.default_rng(0)).double()
    assert set(found.flatten().tolist()) == {1.0, 2.0}
    assert found.mean().item() == pytest.approx(1.3, abs=0.03)


@pytest.mark.parametrize("which", ["below_full", "weakest"])
@pytest.mark.parametrize("num_modalities", [2, 3])
def test_plan_visits_rows_again(which: str, num_modalities: int, toy_training: Callable) -> None:
    config = Config(warmup=0, which=which, scale_mm=2900.0, max_growth=99.0)  # type: ignore[arg-type]
    training = toy_training(SampleResampling(config), num_modalities)
    run = training.view()
    plan = training.method.plan_epoch(training.plan(), run)
    errors = row_errors(run, torch.arange(24))
    values = row_contributions(errors, "threshold", 2.9)
    wanted = (2 * (1 - values)).clamp(0, 3) * errors.present
    if which == "weakest":
        least = values.masked_fill(~errors.present, 9).argmin(dim=1, keepdim=True)
        wanted = torch.zeros_like(wanted).scatter(1, least, wanted.gather(1, least))
    visits = plan.indices.bincount(minlength=24) - 1
    assert visits.sum() > 0
    assert (visits >= (wanted + 1e-9).floor().sum(dim=1)).all()
    assert (visits <= (wanted - 1e-9).ceil().sum(dim=1)).all()


def test_growth_is_limited(toy_training: Callable) -> None:
    training = toy_training(SampleResampling(Config(warmup=0, scale_mm=1.0, max_growth=0.5)))
    assert len(training.method.plan_epoch(training.plan(), training.view()).indices) == 36


@pytest.mark.parametrize("off", [{"max_copies": 0}, {"max_growth": 0.0}, {"warmup": 9}])
def test_off(off: dict[str, Any], toy_training: Callable) -> None:
    training = toy_training(SampleResampling(Config(**{"warmup": 0, **off})))
    plan = training.plan()
    assert training.method.plan_epoch(plan, training.view()) is plan


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"warmup": -1}, r"sample_resampling\.warmup"),
        ({"value": "right"}, r"sample_resampling\.value"),
        ({"scale_mm": float("nan")}, r"sample_resampling\.scale_mm .* nan"),
        ({"which": "best"}, r"sample_resampling\.which"),
        ({"hide": "none"}, r"sample_resampling\.hide"),
        ({"max_copies": -1}, r"sample_resampling\.max_copies"),
        ({"max_growth": -0.5}, r"sample_resampling\.max_growth"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
