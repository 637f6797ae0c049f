from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.continual.noise.decision import TailRule, tail_decision
from equipose.models.randomness import torch_rng

COUNT = 1000


def scores(far: int, apart: float = 6.0) -> Tensor:
    """Normal scores, the first `far` of them raised."""
    values = torch.randn(COUNT, generator=torch_rng(0, "scores"), dtype=torch.float64)
    values[:far] = 0.5 * values[:far] + apart
    return values


def none() -> Tensor:
    return torch.zeros(COUNT, dtype=torch.bool)


def test_a_clear_tail_is_separated() -> None:
    found = tail_decision(scores(50), none(), TailRule())
    assert found.flagged[:50].all()
    assert found.flagged[50:].float().mean() < 0.005
    assert found.alarm == 0


def test_clean_scores_are_left_alone() -> None:
    assert not tail_decision(scores(0), none(), TailRule()).flagged.any()


def test_very_low_scores_are_not_doubtful_and_very_high_ones_are() -> None:
    values = scores(50)
    values[60], values[61] = -40.0, 90.0
    found = tail_decision(values, none(), TailRule())
    assert not found.flagged[60]
    assert found.flagged[61]
    order = values.argsort()
    assert (found.posterior[order].diff() >= 0).all()


def test_without_a_score_there_is_no_decision() -> None:
    values = scores(50)
    values[:10] = torch.nan
    found = tail_decision(values, none(), TailRule())
    assert not found.flagged[:10].any()
    assert found.flagged[10:50].all()


def test_above_the_cap_nothing_is_separated_but_an_alarm_given() -> None:
    rule = TailRule(cap=0.04)
    found = tail_decision(scores(50), none(), rule)
    assert not found.flagged.any()
    assert abs(found.alarm - 0.05) < 0.01


def test_the_threshold_counts_in_robust_units() -> None:
    near = tail_decision(scores(50, apart=4.0), none(), TailRule(threshold=2.5))
    far = tail_decision(scores(50, apart=4.0), none(), TailRule(threshold=4.0))
    assert near.flagged.sum() > far.flagged.sum() > 0


def test_a_separated_reading_stays_until_its_posterior_falls() -> None:
    values = scores(50)
    fresh = tail_decision(values, none(), TailRule())
    between = ((fresh.posterior >= 0.3) & (fresh.posterior <= 0.5)).nonzero()[:, 0]
    if not len(between):  # place a reading where the posterior lies between the two limits
        values = torch.cat([values, torch.linspace(2.0, 4.5, 200, dtype=torch.float64)])
        fresh = tail_decision(values, torch.zeros(len(values), dtype=torch.bool), TailRule())
        between = ((fresh.posterior >= 0.3) & (fresh.posterior <= 0.5)).nonzero()[:, 0]
    assert len(between)
    assert not fresh.flagged[between].any()
    before = torch.zeros(len(values), dtype=torch.bool)
    before[between] = True
    low = int(values.argmin())
    before[low] = True
    again = tail_decision(values, before, TailRule())
    assert again.flagged[between].all()
    assert not again.flagged[low], "it fits again"
