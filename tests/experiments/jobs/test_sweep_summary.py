"""The summary of a sweep says plainly whether balancing helped."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipose.experiments.jobs.sweep_summary import setting_line, strengths, verdict_line
from equipose.orchestrator.sweep.config import OBJECTIVE


def trial(name: str, window: int, value: float, tries: int = 1) -> dict[str, Any]:
    return {
        "trial": name,
        "fusion": "mlp", "strength": 0.4, "weak_share": 0.5, "window": window, OBJECTIVE: value,
        "tries": tries,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("awc", "plain", "words"),
    [
        (50.0, 52.5, "AWC was lower .* difference -2.5 mm"),
        (53.0, 52.5, r"AWC was not lower .* difference \+0.5 mm"),
        (52.5, 52.5, "AWC was not lower"),
    ],
)
def test_verdict_is_as_clear_either_way(awc: float, plain: float, words: str) -> None:
    said = verdict_line({"awc": trial("trial-004", 3, awc), "plain": trial("trial-001", 0, plain)})
    assert re.search(words, said)


def test_the_best_of_many_is_no_evidence_against_a_single_run() -> None:
    plain = trial("trial-001", 0, 52.5)
    lucky = verdict_line({"awc": trial("trial-004", 3, 50.0, tries=7), "plain": plain})
    assert "best of 7 AWC runs (trial-004) 50.0 mm, the one plain run (trial-001) 52.5 mm" in lucky
    assert "7 tries against 1 favour AWC even where it changes nothing, so this is no evidence" in lucky
    assert "helped" not in lucky
    for tries, value in ((1, 50.0), (7, 53.0)):
        said = verdict_line({"awc": trial("trial-004", 3, value, tries=tries), "plain": plain})
        assert "no evidence" not in said


def test_verdict_without_a_reference() -> None:
    assert "nothing to compare" in verdict_line({"awc": trial("trial-004", 3, 50.0)})


def test_plain_training_has_no_strength() -> None:
    assert strengths(trial("trial-001", 0, 1.0)) == ("-", "-")
    assert setting_line(trial("trial-001", 0, 1.0)) == "trial-001: plain training, mlp fusion"
    assert "strength 0.4, weak sensors 0.2, K 3" in setting_line(trial("trial-004", 3, 1.0))
