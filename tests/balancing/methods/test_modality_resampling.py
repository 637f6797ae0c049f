from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from equipose.balancing.methods.modality_resampling import ModalityResampling, deficits, drawn

Config = ModalityResampling.Config


def test_deficits_by_hand() -> None:
    assert deficits(torch.tensor([0.9, 0.3])).tolist() == pytest.approx([0.0, 0.6])
    assert deficits(torch.tensor([0.9, 0.3, 0.5])).tolist() == pytest.approx([0.0, 0.4, 0.2])


def test_drawn_is_even() -> None:
    rng = np.random.default_rng(0)
    found = drawn(torch.arange(4), 10, rng).bincount(minlength=4)
    assert sorted(found.tolist()) == [2, 2, 3, 3]
    assert len(drawn(torch.arange(4), 0, rng)) == 0
    assert len(drawn(torch.arange(0), 5, rng)) == 0


@pytest.mark.parametrize("num_modalities", [2, 3, 4])
def test_plan_grows_for_the_weak(
    num_modalities: int, toy_training: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: scores 2 : 1 : ... scaled to mean 1, then alpha 2/3 of the mean shortfall, of 24 rows."""
    training = toy_training(ModalityResampling(Config(value="validation", warmup=0)), num_modalities)
    scores = torch.tensor([2.0, 1.0, 1.0, 1.0][:num_modalities])
    monkeypatch.setattr(training, "contributions", lambda: scores)
    plan = training.method.plan_epoch(training.plan(), training.view())
    scaled = scores * num_modalities / scores.sum()
    gap = float(scaled[0] - scaled[1]) / (num_modalities - 1)
    count = int(2 / 3 * gap * 24)
    assert len(plan.indices) == 24 + count * (num_modalities - 1)
    hidden = ~plan.present[:, 0]
    assert hidden.sum() == count * (num_modalities - 1)
    assert plan.present[:, 1:].all()
    have = torch.cat([batch.present for batch in training.batches])
    assert have[plan.indices[hidden], 1:].any(dim=1).all()
    assert training.logged["method/added/lidar"] == pytest.approx(count / 24)
    assert training.logged["method/added/rgb"] == 0


def test_estimate_uses_the_chosen_rows_only(toy_training: Callable) -> None:
    training = toy_training(ModalityResampling(Config(warmup=0, scale_mm=3000.0, fraction=1.0)))
    training.method.plan_epoch(training.plan(), training.view())
    whole = dict(training.logged)
    few = toy_training(ModalityResampling(Config(warmup=0, scale_mm=3000.0, fraction=0.1)))
    few.method.plan_epoch(few.plan(), few.view())
    assert few.logged != whole


@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"warmup": 9}])
def test_off(off: dict[str, Any], toy_training: Callable) -> None:
    training = toy_training(ModalityResampling(Config(**{"warmup": 0, **off})))
    plan = training.plan()
    assert training.method.plan_epoch(plan, training.view()) is plan
    assert not training.logged


def test_needs() -> None:
    assert not ModalityResampling().needs
    assert ModalityResampling(Config(value="validation")).needs == {"contributions"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"alpha": -1.0}, r"modality_resampling\.alpha .* -1"),
        ({"warmup": -1}, r"modality_resampling\.warmup"),
        ({"fraction": 0.0}, r"modality_resampling\.fraction"),
        ({"value": "right"}, r"modality_resampling\.value must be one of .*threshold"),
        ({"scale_mm": 0.0}, r"modality_resampling\.scale_mm"),
        ({"hide": "none"}, r"modality_resampling\.hide"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
