"""Metrics of task streams on a worked example of three tasks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.statistics.streams.metrics import METRICS, StreamErrors, worst_on_the_way

AFTER = [[50.0, 120.0, 200.0], [80.0, 60.0, 150.0], [70.0, 90.0, 40.0]]
"""Rows: after which task. The first task is forgotten by the second and partly recovered by the third."""


def stream(**changes: Any) -> StreamErrors:
    known: dict[str, Any] = {
        "tasks": ("E01", "E02", "E03"),
        "after": AFTER,
        "mean_pose": [160.0, 170.0, 180.0],
        "joint": [60.0, 70.0, 80.0],
        "cumulative": [50.0, 55.0, 50.0],
        "alone": [50.0, 65.0, 45.0],
    }
    return StreamErrors(**{**known, **changes})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("final_mm", (70 + 90 + 40) / 3),
        ("learned_mm", (50 + 60 + 40) / 3),
        # 50; (80 + 60) / 2 = 70; 200 / 3.
        ("average_mm", (50 + 70 + 200 / 3) / 3),
        # Learnt minus final: 50 - 70 and 60 - 90.
        ("bwt_mm", (-20 - 30) / 2),
        # Final minus the lowest before the end: 70 - min(50, 80) and 90 - 60.
        ("forgetting_mm", (20 + 30) / 2),
        # Mean pose minus the error just before the task: 170 - 120 and 180 - 150.
        ("fwt_mm", (50 + 30) / 2),
        ("intransigence_mm", (0 + 5 - 10) / 3),
        ("intransigence_alone_mm", (0 - 5 - 5) / 3),
        # (160 - 70) / 100, (170 - 90) / 100, (180 - 40) / 100.
        ("kept", (0.9 + 0.8 + 1.4) / 3),
    ],
)
def test_worked_example(name: str, expected: float) -> None:
    assert getattr(stream(), name) == pytest.approx(expected)
    assert stream().metrics()[f"stream/{name}"] == pytest.approx(expected)
    assert len(METRICS) == 9


def test_rows_are_after_and_columns_are_tested_on() -> None:
    """The transpose is another stream: readers of published code have mixed them up."""
    other = stream(after=np.transpose(AFTER))
    assert other.bwt_mm != stream().bwt_mm
    assert other.learned_mm == stream().learned_mm


def test_a_task_that_later_ones_improve_was_not_forgotten() -> None:
    better = stream(after=[[50.0, 120.0, 200.0], [45.0, 60.0, 150.0], [40.0, 50.0, 40.0]])
    assert better.bwt_mm == pytest.approx(10.0)
    assert better.forgetting_mm == pytest.approx((40 - 45 + 50 - 60) / 2)


def test_one_task_has_nothing_before_or_after() -> None:
    one = StreamErrors(tasks=("E01",), after=np.array([[50.0]]), mean_pose=np.array([160.0]))
    assert (one.final_mm, one.learned_mm, one.average_mm) == (50.0, 50.0, 50.0)
    for name in ("bwt_mm", "forgetting_mm", "fwt_mm", "intransigence_mm", "intransigence_alone_mm", "kept"):
        assert np.isnan(getattr(one, name)), name


def test_order_changes_columns_only_for_tasks_learnt_alone() -> None:
    """Alone, the error on a task does not depend on when it came, so learned error keeps its value."""
    order = [2, 0, 1]
    matrix = np.asarray(AFTER)
    learnt = np.diag(matrix)[order]
    moved = stream(after=np.where(np.eye(3, dtype=bool), learnt, 100.0), tasks=("E03", "E01", "E02"))
    assert moved.learned_mm == pytest.approx(stream().learned_mm)


def test_the_largest_error_on_the_way() -> None:
    assert worst_on_the_way([[50.0, 90.0, 70.0], [60.0], [40.0, 45.0]]) == pytest.approx((90 + 60 + 45) / 3)
    with pytest.raises(ValueError, match="at least one epoch"):
        worst_on_the_way([[50.0], []])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ("E01", "E01", "E02")}, "tasks must be different"),
        ({"after": [[1.0, 2.0]]}, r"after must be \[3, 3\] finite errors"),
        ({"mean_pose": [1.0, 2.0, float("nan")]}, r"mean_pose must be \[3\] finite"),
        ({"joint": [1.0]}, r"joint must be \[3\]"),
    ],
)
def test_impossible_streams_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(**changes)


def test_nothing_to_keep_is_said() -> None:
    assert math.isnan(stream(joint=[60.0, 175.0, 80.0]).kept)
