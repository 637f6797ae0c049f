"""Verdicts reach the overview unchanged; verdicts that no method got are listed too."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from equipose.pipelines.report.verdicts import MethodVerdict, by_verdict, verdicts_of
from equipose.pipelines.statistics.comparison import compare
from equipose.pipelines.statistics.judgement import JUDGEMENTS, Headroom, judged


def errors() -> pl.DataFrame:
    """Plain 80 mm, one method 10 mm better everywhere, one exactly equal; 3 seeds, 5 subjects, 10 frames."""
    rows = [
        (method, seed, f"S{subject}", 10 * (80.0 + subject + shift + 0.1 * seed * (method == "better")), 10)
        for method, shift in (("plain", 0.0), ("better", -10.0), ("same", 0.0))
        for seed in range(3)
        for subject in range(5)
    ]
    return pl.DataFrame(rows, schema=["method", "seed", "cluster", "error_sum_mm", "count"], orient="row")


def judged_as(table: pl.DataFrame, headroom: Headroom) -> pl.DataFrame:
    """The table's comparison, judged with nothing known of training errors."""
    training = pl.DataFrame(schema={"method": pl.String, "seed": pl.Int64, "error_mm": pl.Float64})
    return judged(
        compare(table), convergence=None, headroom=headroom, training_mm=training, reference="plain"
    )


def test_verdicts_follow_the_comparison() -> None:
    found = verdicts_of(
        judged_as(errors(), "found"),
        "P1",
        group="Concat",
        names={"better": "+ Better"},
        links={"better": "http://host/1"},
    )
    assert [(o.name, o.group, o.column, o.link, o.seeds) for o in found] == [
        ("+ Better", "Concat", "P1", "http://host/1", 3),
        ("same", "Concat", "P1", "", 3),
    ]
    grouped = by_verdict(found)
    assert list(grouped) == list(JUDGEMENTS)
    assert found[1].hint == found[1].because == ""
    assert [o.name for o in grouped["helped"]] == ["+ Better"]
    assert grouped["hurt"] == ()
    assert found[0].difference == "−9.9"
    assert found[0].interval.startswith("[−")
    assert found[0].detectable_mm < 10


def test_a_verdict_without_an_interval_shows_none() -> None:
    nan = float("nan")
    verdict = MethodVerdict(
        name="x", column="P1", verdict="undecided", difference_mm=0.5, low_mm=nan, high_mm=nan, seeds=1
    )
    assert (verdict.difference, verdict.interval) == ("+0.5", "")
    with pytest.raises(ValueError, match="verdict='won'"):
        MethodVerdict(
            name="x", column="P1", verdict="won", difference_mm=0.5, low_mm=nan, high_mm=nan, seeds=1
        )


def test_what_changed_a_verdict_is_its_hint() -> None:
    better, same = verdicts_of(judged_as(errors(), "none"), "P1")
    assert (better.verdict, better.hint) == ("helped", "")
    assert (same.verdict, same.hint) == ("no headroom", "nothing to win was measured")
    assert replace(same, why="few seeds").hint.endswith("measured; underpowered: few seeds")
