"""Figures show the data given, say where it comes from, and touch no global state."""

from __future__ import annotations

import functools
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from equipose.models.skeleton import BONES
from equipose.pipelines import figures
from equipose.pipelines.figures.curves import mean_and_spread
from equipose.pipelines.figures.poses import best_median_worst, frame_errors_mm
from equipose.pipelines.figures.style import colour_of
from equipose.pipelines.figures.sweeps import positions

LABEL = "simulated data (simulated:1)"
CURVES = {"rgb": np.linspace(0.1, 0.5, 12), "wifi": np.zeros(12)}
TRIALS = [
    {"method.alpha": 1e3, "fusion": "concat", "seed": 0, "val": 100.0},
    {"method.alpha": 1e5, "fusion": "attention", "seed": 0, "val": 90.0},
    {"method.alpha": 1e4, "fusion": "concat", "seed": 0, "val": 95.0},
]
JOINT_ERRORS = {"plain": np.full(17, 100.0), "AWC": np.full((2, 17), 90.0)}
FEATURES = np.random.default_rng(1).normal(size=(12, 6))
POSES = np.random.default_rng(0).normal(size=(3, 17, 3))


@functools.cache
def all_figures() -> dict[str, Figure]:
    return {
        "contribution_curves": figures.contribution_curves(CURVES, LABEL, window=range(2, 5)),
        "curve_panels": figures.curve_panels(
            {"plain": CURVES, "AWC": CURVES},
            LABEL,
            windows={"AWC": range(2, 5)},
            ylabel="score",
            title="Scores",
        ),
        "fisher_traces": figures.fisher_traces({"rgb": CURVES["rgb"]}, LABEL),
        "alpha_heatmap": figures.alpha_heatmap(CURVES, LABEL),
        "subset_bars": figures.subset_bars({"R": 100.0, "RL": 80.0}, LABEL),
        "subset_lattice": figures.subset_lattice([0.0, 100.0, 80.0, 85.0], ["rgb", "lidar"], LABEL),
        "gradient_norms": figures.gradient_norms({"rgb": CURVES["rgb"]}, LABEL),
        "feature_map": figures.feature_map({"rgb": FEATURES, "wifi": FEATURES + 5}, LABEL, seed=0),
        "joint_heatmap": figures.joint_heatmap(JOINT_ERRORS, LABEL),
        "cost_against_gain": figures.cost_against_gain({"AWC": 1.1}, {"AWC": 2.0}, LABEL),
        "sweep_importance": figures.sweep_importance({"a": 0.7, "b": 0.3}, LABEL),
        "sweep_history": figures.sweep_history(TRIALS, "val", LABEL),
        "parallel_coordinates": figures.parallel_coordinates(TRIALS, "val", LABEL),
        "choice_figure": figures.choice_figure(
            {"R": (50.0, 90.0, 85.0, 95.0, True), "RL": (90.0, 80.0, 75.0, 85.0, True)}, LABEL, cost="money"
        ),
        "interval_panels": figures.interval_panels({"room": {"E01": (80.0, 75.0, 85.0)}}, LABEL),
        "roc_curves": figures.roc_curves({"rgb": ([0.0, 1.0], [0.0, 1.0])}, LABEL),
        "task_curves": figures.task_curves({"E01": np.linspace(90, 50, 6)}, [3], LABEL),
        "task_matrices": figures.task_matrices({"ewc": np.eye(4) + 50}, ("E1", "E2", "E3", "E4"), LABEL),
        "forgetting_against_learning": figures.forgetting_against_learning(
            {"ewc": [50.0, 52.0]}, {"ewc": [3.0, 5.0]}, LABEL
        ),
        "skeleton_overlay": figures.skeleton_overlay(POSES, {"AWC": POSES + 0.1}, LABEL),
    }


NAMES = [name for name in figures.__all__ if name not in ("best_median_worst", "save_png")]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_carries_its_provenance_inside_the_page(name: str) -> None:
    figure = all_figures()[name]
    label = next(text for text in figure.texts if text.get_text() == LABEL)
    figure.savefig(io.BytesIO(), format="png")
    box = label.get_window_extent()
    assert box.x0 >= 0
    assert box.y0 >= 0
    for axes in figure.axes:
        low = axes.get_tightbbox()
        assert low is not None
        assert low.y0 >= box.y1 - 1, "axes run into the provenance line"


def test_a_figure_without_provenance_is_refused() -> None:
    with pytest.raises(ValueError, match="provenance is empty"):
        figures.contribution_curves(CURVES, " ")


def test_no_pyplot() -> None:
    code = "import sys, equipose.pipelines.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_panels_share_one_scale_and_one_legend() -> None:
    histories = {"plain": {"rgb": np.arange(4.0)}, "AWC": {"rgb": np.arange(4.0) + 96}}
    figure = figures.curve_panels(histories, LABEL, windows={"AWC": range(1, 3)}, ylabel="mm", title="Mean")
    plain, awc = figure.axes
    assert [axes.get_title() for axes in (plain, awc)] == ["plain", "AWC"]
    assert plain.get_ylim() == awc.get_ylim()
    assert plain.get_ylim()[1] >= 99
    assert [len(axes.patches) for axes in (plain, awc)] == [0, 1], "only AWC's epochs are shaded"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["rgb", "balancing on"]
    with pytest.raises(ValueError, match="panels are empty"):
        figures.curve_panels({}, LABEL, ylabel="mm", title="Mean")


def test_curves_are_the_mean_over_seeds_with_a_band() -> None:
    runs = np.array([[1.0, 2.0, 4.0], [3.0, 4.0, 8.0]])
    axes = figures.contribution_curves({"lidar": runs, "rgb": runs + 1}, LABEL).axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert_allclose(lines["lidar"].get_ydata(), [2.0, 3.0, 6.0])
    assert lines["lidar"].get_color() == colour_of("lidar", 0)
    assert len(axes.collections) == 2
    assert "2 seeds" in axes.get_title()
    band = axes.collections[0].get_paths()[0].vertices
    assert_allclose(sorted({float(y) for x, y in band if x == 0}), [2 - np.sqrt(2), 2 + np.sqrt(2)])


def test_one_seed_has_no_band() -> None:
    axes = figures.contribution_curves(CURVES, LABEL).axes[0]
    assert not axes.collections
    assert "seeds" not in axes.get_title()


def test_a_failed_seed_is_left_out() -> None:
    mean, spread = mean_and_spread(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    assert_allclose(mean, [2.0, np.nan])
    assert_allclose(spread, [np.sqrt(2.0), 0.0])


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({}, "history is empty"),
        ({"rgb": [1.0], "lidar": [1.0, 2.0]}, r"different lengths \[1, 2\]"),
        ({"rgb": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\); expected"),
    ],
)
def test_bad_histories(history: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures.contribution_curves(history, LABEL)


def test_zero_trace_is_a_gap_on_the_logarithmic_axis() -> None:
    axes = figures.fisher_traces({"rgb": [1.0, 0.0, 2.0]}, LABEL).axes[0]
    assert axes.get_yscale() == "log"
    assert_allclose(axes.lines[0].get_ydata(), [1.0, np.nan, 2.0])


def test_heatmap_rows_are_modalities() -> None:
    axes = figures.alpha_heatmap({"rgb": [1.0, 2.0], "wifi": [3.0, 4.0]}, LABEL).axes[0]
    assert_allclose(axes.images[0].get_array(), [[1.0, 2.0], [3.0, 4.0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rgb", "wifi"]


def test_bars_of_one_method_and_of_several() -> None:
    axes = figures.subset_bars({"RL": 80.0, "R": 100.0}, LABEL).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["R", "RL"]
    assert [patch.get_height() for patch in axes.patches] == [100.0, 80.0]
    both = figures.subset_bars({"naive": {"R": 1.0, "RL": 2.0}, "AWC": {"RL": 3.0}}, LABEL).axes[0]
    heights = [patch.get_height() for patch in both.patches]
    assert_allclose(heights, [1.0, 2.0, np.nan, 3.0])


def test_history_keeps_the_best_so_far() -> None:
    axes = figures.sweep_history(pl.DataFrame(TRIALS), "val", LABEL).axes[0]
    assert_allclose(axes.lines[0].get_ydata(), [100.0, 90.0, 95.0])
    assert_allclose(axes.lines[1].get_ydata(), [100.0, 90.0, 90.0])


def test_trials_without_an_objective_are_left_out() -> None:
    trials = [*TRIALS, {"val": None}, {"val": float("nan")}, {}]
    assert len(figures.sweep_history(trials, "val", LABEL).axes[0].lines[0].get_xdata()) == 3
    with pytest.raises(ValueError, match="none of 3 trials has a finite 'mpjpe'"):
        figures.sweep_history(TRIALS, "mpjpe", LABEL)


def test_parallel_axes_are_the_varying_parameters() -> None:
    axes = figures.parallel_coordinates(TRIALS, "val", LABEL).axes[0]
    names = [label.get_text().replace("\n", "") for label in axes.get_xticklabels()]
    assert names == ["method.alpha", "fusion", "val"]
    bold = [line for line in axes.lines if line.get_linewidth() == 2.5]
    assert len(bold) == 1
    assert_allclose(bold[0].get_ydata(), [1.0, 0.0, 0.0])


def test_positions_of_values() -> None:
    heights, ticks = positions([1e3, 1e5, 1e4, None])
    assert_allclose(heights, [0.0, 1.0, 0.5, np.nan])
    assert (ticks[0], ticks[-1]) == ((0.0, "1e+03"), (1.0, "1e+05"))
    assert_allclose(positions([1, 2, 5])[0], [0.0, 0.25, 1.0])
    assert positions(["b", "a", True])[1] == [(0.0, "True"), (0.5, "a"), (1.0, "b")]
    assert_allclose(positions([3.0, 3.0])[0], [0.5, 0.5])


def test_importance_has_the_largest_on_top() -> None:
    axes = figures.sweep_importance({"a": 0.1, "b": 0.9}, LABEL).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_skeletons_are_drawn_where_they_are_and_errors_in_millimetres() -> None:
    prediction = POSES + np.array([0.0, 0.0, 0.05])
    figure = figures.skeleton_overlay(POSES, {"AWC": prediction}, LABEL)
    front, side = figure.axes[0], figure.axes[3]
    assert front.get_title() == "best\nAWC 50 mm"
    assert front.yaxis_inverted()
    assert len(front.lines) == 2 * (len(BONES) + 1)
    assert_allclose(front.lines[len(BONES)].get_xydata(), POSES[0][:, :2])
    assert_allclose(side.lines[-1].get_xydata(), prediction[0][:, [2, 1]])
    apart = figures.skeleton_overlay(POSES, {"AWC": prediction}, LABEL, relative=True)
    assert apart.axes[0].get_title() == "best\nAWC 50 mm"
    assert_allclose(apart.axes[3].lines[-1].get_xydata()[0], [0.0, 0.0], atol=1e-12)


def test_wrong_pose_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"AWC has shape \[2, 17, 3\]; expected \[3 titles, 17, 3\]"):
        figures.skeleton_overlay(POSES, {"AWC": POSES[:2]}, LABEL)


def test_choosing_frames() -> None:
    assert_allclose(best_median_worst(np.array([5.0, 1.0, 3.0, 9.0])), [1, 2, 3])
    assert_allclose(best_median_worst(np.array([5.0])), [0, 0, 0])
    assert_allclose(frame_errors_mm(POSES, POSES + np.array([0.003, 0.004, 0.0])), [5.0, 5.0, 5.0])


def test_saving_makes_the_folder(tmp_path: Path) -> None:
    path = figures.save_png(all_figures()["subset_bars"], tmp_path / "a" / "b.png")
    assert path.read_bytes().startswith(b"\x89PNG")
