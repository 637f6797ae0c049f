"""What follows from a tested verdict, given convergence, headroom and the error on training data."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from equipose.pipelines.statistics.comparison import VERDICTS, compare
from equipose.pipelines.statistics.judgement import (
    JUDGEMENTS,
    Convergence,
    headroom_of,
    judge,
    judged,
)

DONE = Convergence(error_mm=100.0, longer_mm=98.5, seeds=3)
NOT_DONE = Convergence(error_mm=100.0, longer_mm=97.0, seeds=3)


@pytest.mark.parametrize(
    ("longer", "gain", "converged"),
    [(100.0, 0.0, True), (98.0, 0.02, True), (97.9, 0.021, False), (105.0, -0.05, True)],
)
def test_convergence_by_hand(longer: float, gain: float, converged: bool) -> None:
    found = Convergence(error_mm=100.0, longer_mm=longer, seeds=2)
    assert found.gain == pytest.approx(gain)
    assert found.converged == converged
    assert found.words.startswith("converged" if converged else "not converged")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["helped", "hurt"], "found"),
        (["did not help", "hurt"], "none"),
        (["undecided", "hurt"], "unclear"),
        (["did not help", "did not help"], "none"),
    ],
)
def test_headroom_from_the_references(verdicts: list[str], expected: str) -> None:
    assert headroom_of(pl.DataFrame({"verdict": verdicts})) == expected


@pytest.mark.parametrize(
    ("verdict", "difference", "training", "convergence", "headroom", "expected"),
    [
        ("helped", -5.0, 0.0, DONE, "found", "helped"),
        ("helped", -5.0, 0.0, DONE, "none", "helped"),
        ("helped", -5.0, 0.0, NOT_DONE, "found", "undecided"),
        ("hurt", 5.0, 2.4, DONE, "found", "hurt"),
        ("hurt", 5.0, 2.5, DONE, "found", "under-trained"),
        ("hurt", 5.0, -1.0, DONE, "none", "no headroom"),
        ("hurt", 5.0, 5.0, NOT_DONE, "found", "undecided"),
        ("hurt", 5.0, float("nan"), DONE, "found", "hurt"),
        ("did not help", 0.0, 0.0, DONE, "none", "no headroom"),
        ("did not help", 0.0, 0.0, DONE, "unclear", "did not help"),
        ("undecided", 1.0, 0.0, DONE, "none", "no headroom"),
        ("undecided", 1.0, 0.0, NOT_DONE, "found", "undecided"),
        ("hurt", 5.0, 0.0, None, None, "hurt"),
    ],
)
def test_rules(
    verdict: str, difference: float, training: float, convergence: Any, headroom: Any, expected: str
) -> None:
    found, because = judge(verdict, difference, training, convergence=convergence, headroom=headroom)
    assert found == expected
    assert bool(because) == (found != verdict)
    assert set(VERDICTS) < set(JUDGEMENTS)


def errors(gain: float) -> pl.DataFrame:
    """Plain training and a method on six subjects and three seeds."""
    rows = [
        {
            "method": method,
            "seed": seed,
            "cluster": f"S{subject}",
            "error_sum_mm": 10 * (100.0 + seed + 0.1 * subject * seed + gain * (method == "awc")),
            "count": 10,
        }
        for method in ("plain", "awc")
        for seed in range(3)
        for subject in range(6)
    ]
    return pl.DataFrame(rows)


def test_a_table_of_judgements() -> None:
    training = pl.DataFrame(
        {
            "method": ["plain", "awc"] * 3,
            "seed": [0, 0, 1, 1, 2, 2],
            "error_mm": [40.0, 44.0, 41.0, 45.0, 42.0, 46.0],
        }
    )
    known: dict[str, Any] = {"convergence": DONE, "headroom": "found", "reference": "plain"}
    (row,) = judged(compare(errors(5.0)), training_mm=training, **known).to_dicts()
    assert (row["verdict"], row["judgement"]) == ("hurt", "under-trained")
    assert row["training_difference_mm"] == pytest.approx(4.0)
    assert "4.0 mm" in row["because"]
    nothing = training.clear()
    (row,) = judged(compare(errors(5.0)), training_mm=nothing, **known).to_dicts()
    assert row["judgement"] == "hurt", "without training errors the loss is not explained"
