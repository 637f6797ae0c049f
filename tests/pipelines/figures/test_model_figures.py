"""Pictures of one model: intervals where they belong, and subsets at their cost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equipose.pipelines import figures
from equipose.pipelines.figures.choice import side_by_side

LABEL = "simulated data"
NAN = float("nan")


def test_intervals_stand_at_their_names() -> None:
    panels = {
        "sensors": {"R": (90.0, 85.0, 99.0), "L": (80.0, 78.0, 81.0)},
        "room": {"E01": (70.0, NAN, NAN)},
    }
    figure = figures.interval_panels(panels, LABEL)
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["R", "L"]
    assert_allclose(first.lines[0].get_xdata(), [90.0, 80.0])
    whiskers = first.containers[0].lines[2][0].get_segments()
    assert_allclose([segment[:, 0] for segment in whiskers], [[85.0, 99.0], [78.0, 81.0]])
    assert first.get_ylim()[0] > first.get_ylim()[1], "the first name is on top"
    assert second.get_ylabel() == "room"
    figure.draw_without_rendering()
    with pytest.raises(ValueError, match="holds an empty panel"):
        figures.interval_panels({"room": {}}, LABEL)


def test_choices_stand_at_their_cost_and_the_front_is_filled() -> None:
    points = {
        "R": (50.0, 80.0, 78.0, 83.0, True),
        "L": (900.0, 85.0, 80.0, 90.0, False),
        "RL": (950.0, 70.0, NAN, NAN, True),
    }
    axes = figures.choice_figure(points, LABEL, cost="money").axes[0]
    assert_allclose(axes.lines[0].get_xydata(), [[50.0, 80.0], [950.0, 70.0]])
    assert [text.get_text() for text in axes.texts] == ["R", "L", "RL"]
    fills = {c.lines[0].get_xdata()[0]: c.lines[0].get_markerfacecolor() for c in axes.containers}
    assert fills[900.0] == "white"
    assert fills[50.0] == fills[950.0] != "white"
    assert axes.get_xlabel() == "money"
    with pytest.raises(ValueError, match="choices is empty"):
        figures.choice_figure({}, LABEL, cost="money")


def test_many_subsets_are_named_on_the_front_only() -> None:
    points = {f"s{i}": (float(i), 100.0 - i, NAN, NAN, i == 3) for i in range(20)}
    assert [t.get_text() for t in figures.choice_figure(points, LABEL, cost="n").axes[0].texts] == ["s3"]


def test_equal_costs_stand_side_by_side() -> None:
    places = side_by_side({"R": 1.0, "L": 1.0, "RL": 2.0})
    assert places["RL"] == 2.0
    assert places["R"] < 1.0 < places["L"]
    assert np.mean([places["R"], places["L"]]) == pytest.approx(1.0)
    assert len(set(side_by_side(dict.fromkeys("abc", 5.0)).values())) == 3
