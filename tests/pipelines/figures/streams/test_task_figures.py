"""Figures of streams show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.figures import forgetting_against_learning, task_curves, task_matrices

TASKS = ("E01", "E02")
MATRIX = [[50.0, 90.0], [70.0, 55.0]]


def texts(axes: object) -> list[str]:
    return [text.get_text() for text in axes.texts]  # type: ignore[attr-defined]


def test_a_matrix_per_strategy_with_its_numbers_and_one_scale() -> None:
    figure = task_matrices({"finetune": MATRIX, "replay": np.array(MATRIX) - 10}, TASKS, "simulated data")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["finetune", "replay"]
    assert texts(panels[0]) == ["50", "90", "70", "55"]
    assert {image.get_clim() for axes in panels for image in axes.images} == {(40.0, 90.0)}


def test_what_was_not_tested_has_no_number() -> None:
    figure = task_matrices({"joint": [[np.nan, 90.0], [70.0, 55.0]]}, TASKS, "simulated data")
    assert texts(figure.axes[0]) == ["90", "70", "55"]


def test_a_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"matrix 'ewc' has shape \(1, 2\); expected \(2, 2\)"):
        task_matrices({"ewc": [[1.0, 2.0]]}, TASKS, "simulated data")


def test_curves_have_a_line_per_task_and_a_border_per_task_but_the_first() -> None:
    curves = {"E01": [[60.0, 50.0, 65.0, 70.0]], "E02": [[np.nan, np.nan, 80.0, 55.0]]}
    axes = task_curves(curves, [2], "simulated data").axes[0]
    found = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(found["E01"].get_ydata(), [60.0, 50.0, 65.0, 70.0])
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [1.5]


def test_a_point_per_strategy_named() -> None:
    figure = forgetting_against_learning(
        {"finetune": [50.0, 52.0], "ewc": [70.0]}, {"finetune": [40.0, 44.0], "ewc": [5.0]}, "simulated data"
    )
    assert set(texts(figure.axes[0])) == {"finetune", "ewc"}


def test_strategies_must_have_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"learned names \['a'\], forgotten names \['b'\]"):
        forgetting_against_learning({"a": 1.0}, {"b": 1.0}, "simulated data")
