"""The summary of a sweep says plainly whether balancing helped."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipose.experiments.jobs.sweep_summary import alphas, setting_line, verdict_line
from equipose.orchestrator.sweep.config import OBJECTIVE


def trial(name: str, window: int, value: float) -> dict[str, Any]:
    return {
        "trial": name, "fusion": "mlp", "alpha_s": 2e4, "ratio": 0.5, "window": window, OBJECTIVE: value
    }  # fmt: skip


@pytest.mark.parametrize(
    ("awc", "plain", "words"),
    [
        (50.0, 52.5, "AWC helped .* difference -2.5 mm"),
        (53.0, 52.5, r"AWC did not help .* difference \+0.5 mm"),
        (52.5, 52.5, "AWC did not help"),
    ],
)
def test_verdict_is_as_clear_either_way(awc: float, plain: float, words: str) -> None:
    said = verdict_line({"awc": trial("trial-004", 3, awc), "plain": trial("trial-001", 0, plain)})
    assert re.search(words, said)


def test_verdict_without_a_reference() -> None:
    assert "nothing to compare" in verdict_line({"awc": trial("trial-004", 3, 50.0)})


def test_plain_training_has_no_alphas() -> None:
    assert alphas(trial("trial-001", 0, 1.0)) == ("-", "-")
    assert setting_line(trial("trial-001", 0, 1.0)) == "trial-001: plain training, mlp fusion"
    assert "alpha_S 2e+04, alpha_I 1e+04, K 3" in setting_line(trial("trial-004", 3, 1.0))
