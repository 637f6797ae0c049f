"""Readings of the validation part, judged by the yardstick of the training part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.run import EpochPlan, Run

PERSON = 160
"""Rows of one person; the last one validates."""


def divided(problem: Any, **options: Any) -> Run:
    """Three people train, one validates."""
    rows = problem.batch.index
    return problem.run(training_rows=rows[:-PERSON], validation_rows=rows[-PERSON:], **options)


def judged(run: Run, **config: Any) -> NoiseSeparation:
    """The method after the plan of the epoch in which it judges."""
    method = NoiseSeparation(NoiseSeparation.Config(**{"warmup": 6, "every": 6, **config}))
    shown = torch.ones(len(run.training_rows), len(run.model.modalities), dtype=torch.bool)
    method.plan_epoch(EpochPlan(indices=run.training_rows, present=shown), run)
    return method


def hidden_of(method: NoiseSeparation, rows: Tensor) -> Tensor:
    """[n, M] bool."""
    assert method.hidden is not None
    return ~method.hidden.visible(rows)


def test_noise_of_other_people_is_found_and_hidden(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    logged: dict[str, float] = {}
    run = divided(problem, logged=logged)
    found = hidden_of(judged(run, validation="mask"), run.validation_rows)
    there = truth[-PERSON:]
    assert (found & there).sum() >= 0.5 * found.sum() > 0, "precision"
    assert (found & there).sum() >= 0.5 * there.sum(), "recall"
    assert logged["noise/rgb/validation_flagged"] == pytest.approx(float(found[:, 0].float().mean()))


def test_by_default_validation_is_left_alone(noise_problem: Callable) -> None:
    logged: dict[str, float] = {}
    run = divided(noise_problem("swap")[0], logged=logged)
    assert not hidden_of(judged(run), run.validation_rows).any()
    assert not any("validation" in name for name in logged)


def test_to_score_reports_and_hides_nothing(noise_problem: Callable) -> None:
    logged: dict[str, float] = {}
    run = divided(noise_problem("swap")[0], logged=logged)
    assert not hidden_of(judged(run, validation="score"), run.validation_rows).any()
    assert logged["noise/rgb/validation_flagged"] > 0


def test_validation_decides_nothing_about_training(noise_problem: Callable) -> None:
    run = divided(noise_problem("swap")[0])
    without, with_it = judged(run), judged(run, validation="mask")
    assert without.scores is not None
    assert with_it.scores is not None
    assert torch.equal(without.scores.values, with_it.scores.values)
    assert torch.equal(hidden_of(without, run.training_rows), hidden_of(with_it, run.training_rows))


def test_clean_people_are_hardly_flagged(noise_problem: Callable) -> None:
    logged: dict[str, float] = {}
    run = divided(noise_problem()[0], logged=logged)
    judged(run, validation="score")
    assert max(logged[f"noise/{name}/validation_flagged"] for name in run.model.modalities) <= 0.03


def test_the_control_hides_as_many_at_random(noise_problem: Callable) -> None:
    run = divided(noise_problem("swap")[0])
    rows = run.validation_rows
    found = hidden_of(judged(run, validation="mask"), rows)
    control = hidden_of(judged(run, validation="mask", act="random"), rows)
    assert control.sum(dim=0).tolist() == found.sum(dim=0).tolist()
    assert not torch.equal(control, found)


def test_to_hide_validation_alone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"validation is 'mask', but nis.act 'nothing' hides no reading"):
        NoiseSeparation.Config(act="nothing", validation="mask")
