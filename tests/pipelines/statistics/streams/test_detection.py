from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from equipose.pipelines.statistics.streams.detection import Judged, detection, flagged_shares, roc_points

NAN = math.nan
JUDGED = Judged(
    sensors=("rgb", "wifi"),
    rows=np.array([7, 3, 5, 9]),
    scores=np.array([[3.0, 0.0], [1.0, 0.5], [2.0, NAN], [0.0, 0.2]]),
    flagged=np.array([[True, False], [True, False], [False, False], [False, False]]),
)
TRUTH = pl.DataFrame(
    {
        "row": [7, 5, 4, 9, 5],
        "sensor": ["rgb", "rgb", "rgb", "lidar", "wifi"],
        "kind": ["swap", "gauss", "swap", "swap", "gauss"],
    }
)


def row(sensor: str, kind: str) -> dict[str, float]:
    found = detection(JUDGED, TRUTH).filter(pl.col("sensor") == sensor, pl.col("kind") == kind)
    return found.row(0, named=True)


def test_by_hand() -> None:
    every = row("rgb", "any")
    assert (every["contaminated"], every["readings"]) == (2, 4)
    assert (every["auroc"], every["average_precision"]) == (1.0, 1.0)
    assert (every["precision"], every["recall"]) == (0.5, 0.5)
    # Of the kind swap, the gauss reading does not count as clean.
    swap, gauss = row("rgb", "swap"), row("rgb", "gauss")
    assert (swap["readings"], swap["recall"], swap["precision"]) == (3, 1.0, 0.5)
    assert (gauss["readings"], gauss["recall"], gauss["precision"]) == (3, 0.0, 0.0)


def test_what_cannot_be_measured_is_nan() -> None:
    """The one contaminated reading of WiFi is absent, so no score is to blame."""
    wifi = row("wifi", "any")
    assert (wifi["contaminated"], wifi["readings"]) == (0, 3)
    assert all(math.isnan(wifi[name]) for name in ("auroc", "average_precision", "precision", "recall"))


def test_all_sensors_together() -> None:
    both = row("any", "any")
    assert (both["contaminated"], both["readings"], both["auroc"]) == (2, 7, 1.0)


def test_the_area_under_the_points_is_the_auroc() -> None:
    rng = np.random.default_rng(0)
    judged = Judged(
        sensors=("rgb",),
        rows=np.arange(3000),
        scores=rng.normal(size=(3000, 1)) + (np.arange(3000) < 300)[:, None],
        flagged=np.zeros((3000, 1), bool),
    )
    truth = pl.DataFrame({"row": range(300), "sensor": ["rgb"] * 300, "kind": ["gauss"] * 300})
    points = roc_points(judged, truth, "rgb", "gauss")
    assert len(points) <= 200
    area = np.trapezoid(points["true_positive_rate"], points["false_positive_rate"])
    assert area == pytest.approx(detection(judged, truth)["auroc"][0], abs=0.01)
    assert points.row(0)[:2] == (0, 0)
    assert points.row(-1)[:2] == (1, 1)


def test_no_curve_without_both_kinds() -> None:
    with pytest.raises(ValueError, match="no ROC curve of wifi, any: 0 of 3"):
        roc_points(JUDGED, TRUTH, "wifi")
    with pytest.raises(ValueError, match="unknown sensor 'depth'"):
        roc_points(JUDGED, TRUTH, "depth")


def test_shares_per_subject() -> None:
    groups = pl.DataFrame({"row": [3, 4, 5, 7, 9], "subject": ["S01", "S01", "S02", "S02", "S02"]})
    found = flagged_shares(JUDGED, groups, "subject", TRUTH)
    shares = {(r["subject"], r["sensor"]): r for r in found.iter_rows(named=True)}
    assert shares["S01", "rgb"]["flagged"] == 1.0
    assert shares["S01", "rgb"]["false_flags"] == 1.0
    assert shares["S02", "rgb"]["flagged"] == pytest.approx(1 / 3)
    assert shares["S02", "rgb"]["false_flags"] == 0.0
    assert shares["S02", "wifi"]["readings"] == 2
    assert "false_flags" not in flagged_shares(JUDGED, groups, "subject").columns
    with pytest.raises(ValueError, match="every judged row once; 3 of 4"):
        flagged_shares(JUDGED, groups.filter(pl.col("row") != 5), "subject")


def test_tables_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"scores must be \[4, 1\]"):
        Judged(sensors=("rgb",), rows=JUDGED.rows, scores=JUDGED.scores, flagged=JUDGED.flagged)
