"""Errors with one sensor missing, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from equipose.pipelines.statistics.comparison import compare
from equipose.pipelines.statistics.missing import ONE_MISSING, lacking_one, one_missing, worst_cases
from equipose.pipelines.statistics.subset_errors import clustered

ERRORS = {"R": 100.0, "L": 200.0, "M": 300.0, "RL": 60.0, "RM": 90.0, "LM": 150.0, "RLM": 50.0}


def frames(method: str, seed: int, more: float = 0.0, subjects: int = 2) -> pl.DataFrame:
    """Two frames of every subject; the second has 10 mm more."""
    rows = [
        {
            "method": method,
            "seed": seed,
            "subset": subset,
            "environment": "E01",
            "subject": f"S{subject:02d}",
            "action": "A02",
            "mpjpe_mm": error + more + 10.0 * frame + subject,
            "pa_mpjpe_mm": error / 2,
        }
        for subset, error in ERRORS.items()
        for subject in range(subjects)
        for frame in range(2)
    ]
    return pl.DataFrame(rows)


def test_the_subset_without_each_sensor() -> None:
    assert lacking_one(ERRORS) == {"rgb": "LM", "lidar": "RM", "mmwave": "RL"}
    assert lacking_one(["R"]) == {}


def test_subsets_that_were_not_evaluated_are_left_out() -> None:
    assert lacking_one(["R", "RL", "RM", "RLM"]) == {"lidar": "RM", "mmwave": "RL"}


def test_one_missing_is_the_mean_and_counts_every_frame_once() -> None:
    found = one_missing(frames("plain", 0))
    assert found["subset"].unique().to_list() == [ONE_MISSING]
    assert found["count"].to_list() == [2, 2]
    # (60 + 90 + 150) / 3 = 100 for the first frame, 110 for the second; the second subject has 1 mm more.
    assert found["mpjpe_mm"].to_list() == pytest.approx([210.0, 212.0])
    assert found["pa_mpjpe_mm"].to_list() == pytest.approx([100.0, 100.0])


def test_it_is_compared_like_a_subset() -> None:
    tables = [frames(name, seed, 5.0 * (name == "awc"), 6) for name in ("plain", "awc") for seed in range(3)]
    errors = clustered(one_missing(pl.concat(tables))).drop("subset")
    row = compare(errors).row(0, named=True)
    assert (row["method"], row["frames"]) == ("awc", 12)
    assert row["difference_mm"] == pytest.approx(5.0)


def test_the_worst_case_names_the_sensor() -> None:
    worst = worst_cases(pl.concat([frames("plain", 0), frames("awc", 0, 7.0)]))
    assert worst.select("method", "missing").rows() == [("plain", "rgb"), ("awc", "rgb")]
    assert worst["error_mm"].to_list() == pytest.approx([155.5, 162.5])
