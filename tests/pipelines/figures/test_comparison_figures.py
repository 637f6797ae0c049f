"""Figures of a method comparison show means over seeds, mark harm, and stay readable with many methods."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose

from equipose.models.sensors import DEFAULT_SENSORS, subset_name
from equipose.models.skeleton import JOINTS
from equipose.pipelines import figures
from equipose.pipelines.figures.lattice import HURTS, edges_of, node_places
from equipose.pipelines.figures.style import method_colour, method_hatch
from equipose.pipelines.figures.subsets import MAX_ABREAST

LABEL = "simulated data (simulated:1)"
SUBSETS = [subset_name(mask) for mask in range(1, 16)]


def test_bars_are_means_over_seeds_with_whiskers() -> None:
    figure = figures.subset_bars({"plain": {"R": [98.0, 102.0, np.nan], "RL": [80.0]}}, LABEL)
    axes = figure.axes[0]
    assert [patch.get_height() for patch in axes.patches] == [100.0, 80.0]
    whisker = axes.collections[0].get_segments()[0]
    assert_allclose(whisker[:, 1], [100 - np.sqrt(8), 100 + np.sqrt(8)])
    assert [text.get_text() for text in axes.texts] == ["100", "80"]
    assert axes.texts[0].xy[1] == pytest.approx(100 + np.sqrt(8))
    assert "3 seeds" in axes.get_title()


def test_many_bars_are_spread_over_rows_of_one_scale() -> None:
    errors = {f"method {i}": dict.fromkeys(SUBSETS, 80.0 + i) for i in range(10)}
    axes = figures.subset_bars(errors, LABEL).axes
    assert len(axes) == 3
    assert sum(len(part.patches) for part in axes) == 150
    assert max(len(part.patches) for part in axes) <= MAX_ABREAST
    assert len({part.get_ylim() for part in axes}) == 1
    labels = [label.get_text() for part in axes for label in part.get_xticklabels()]
    assert labels == sorted(SUBSETS, key=len)


def test_sixteen_methods_look_different() -> None:
    looks = {(method_colour(i), method_hatch(i - 1)) for i in range(1, 17)}
    assert len(looks) == 16


def test_joint_heatmap_is_the_mean_over_seeds() -> None:
    errors = {"plain": np.arange(17.0), "AWC": np.stack([np.arange(17.0), np.arange(17.0) + 4])}
    axes = figures.joint_heatmap(errors, LABEL).axes[0]
    assert_allclose(axes.images[0].get_array(), [np.arange(17.0), np.arange(17.0) + 2])
    assert axes.get_xticklabels()[1].get_text() == "right hip"
    assert len(axes.texts) == 2 * len(JOINTS)


def test_joint_heatmap_against_a_reference_is_symmetric_about_no_difference() -> None:
    errors = {"AWC": np.full(17, 97.0), "plain": np.full(17, 100.0), "OPM": np.full(17, 105.0)}
    axes = figures.joint_heatmap(errors, LABEL, reference="plain").axes[0]
    assert_allclose(axes.images[0].get_array(), [np.full(17, -3.0), np.full(17, 5.0)])
    assert axes.images[0].get_clim() == (-5.0, 5.0)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["AWC", "OPM"]
    assert {text.get_text() for text in axes.texts} == {"-3", "+5"}
    same = figures.joint_heatmap({"plain": np.ones(17), "off": np.ones(17)}, LABEL, reference="plain")
    assert {text.get_text() for text in same.axes[0].texts} == {"0"}


def test_joint_errors_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"AWC has shape \(3,\); expected \[17\]"):
        figures.joint_heatmap({"AWC": [1.0, 2.0, 3.0]}, LABEL)
    with pytest.raises(ValueError, match="errors is empty"):
        figures.joint_heatmap({}, LABEL)
    with pytest.raises(ValueError, match="reference 'plain' needs a row"):
        figures.joint_heatmap({"AWC": np.ones(17)}, LABEL, reference="plain")


def test_cost_against_gain_places_names_apart() -> None:
    names = [f"method {i}" for i in range(6)]
    costs = {name: 1.0 + 0.01 * i for i, name in enumerate(names)}
    gains = {name: [1.0 + 0.3 * i, 1.2 + 0.3 * i] for i, name in enumerate(names)}
    figure = figures.cost_against_gain(costs, gains, LABEL)
    axes = figure.axes[0]
    figure.draw_without_rendering()
    assert [text.get_text() for text in axes.texts] == names
    assert [text.xy for text in axes.texts] == [(costs[n], pytest.approx(np.mean(gains[n]))) for n in names]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_no_gain_is_always_in_the_picture() -> None:
    for gain in (5.0, -5.0):
        low, high = (
            figures.cost_against_gain({"a": 1.0, "b": 1.1}, {"a": gain, "b": gain}, LABEL).axes[0].get_ylim()
        )
        assert low <= 0 <= high
        assert low < gain < high


def test_costs_and_gains_name_the_same_methods() -> None:
    with pytest.raises(ValueError, match=r"costs name \['a'\], gains name \['b'\]"):
        figures.cost_against_gain({"a": 1.0}, {"b": 1.0}, LABEL)


def test_bands_on_a_logarithmic_axis_are_factors() -> None:
    axes = figures.gradient_norms({"rgb": [[1.0, 1.0], [100.0, -1.0]]}, LABEL).axes[0]
    assert_allclose(axes.lines[0].get_ydata(), [10.0, 1.0])
    band = axes.collections[0].get_paths()[0].vertices
    factor = np.exp(np.log(10) * np.sqrt(2))
    assert_allclose(sorted({float(y) for x, y in band if x == 0}), [10 / factor, 10 * factor])
    assert "geometric mean ± std over 2 seeds" in axes.get_title()


def test_edges_join_subsets_that_differ_in_one_sensor() -> None:
    edges = edges_of(np.arange(16.0), 4)
    assert len(edges) == 28
    assert all((edge.small & edge.large) == edge.small for edge in edges)
    assert all((edge.small ^ edge.large).bit_count() == 1 and edge.small for edge in edges)
    assert all(edge.change == edge.large - edge.small for edge in edges)


def test_edges_know_whether_seeds_agree() -> None:
    first, second = edges_of([[9.0, 100.0, 80.0, 90.0], [9.0, 100.0, 80.0, 78.0]], 2)
    assert (first.change, first.agreed) == (-16.0, True)
    assert (second.change, second.agreed) == (4.0, False)


def test_the_lattice_marks_harm_in_red_and_disagreement_dashed() -> None:
    figure = figures.subset_lattice(
        [[9.0, 100.0, 80.0, 90.0], [9.0, 100.0, 80.0, 78.0]], DEFAULT_SENSORS[:2], LABEL
    )
    axes = figure.axes[0]
    assert [to_hex(line.get_color()).upper() == HURTS for line in axes.lines] == [False, True]
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]
    assert [text.get_text() for text in axes.texts] == ["R\n100", "L\n80", "RL\n84"]
    assert "1 of 2 steps hurt" in axes.get_title()


def test_every_subset_has_its_own_place_in_the_row_of_its_size() -> None:
    places = node_places(4)
    assert len(set(places.values())) == 15
    assert all(y == mask.bit_count() for mask, (_, y) in places.items())
    assert [subset_name(mask) for mask in places][:6] == ["R", "L", "M", "W", "RL", "RM"]


def test_a_lattice_needs_a_value_for_every_subset() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); 2 modalities need \[2\^2\]"):
        figures.subset_lattice([1.0, 2.0, 3.0], ["rgb", "lidar"], LABEL)


def test_features_apart_stay_apart_on_the_map_and_seeds_repeat() -> None:
    rng = np.random.default_rng(0)
    features = {"rgb": rng.normal(size=(40, 8)), "wifi": rng.normal(size=(40, 8)) + 30}
    rgb, wifi = (
        part.get_offsets() for part in figures.feature_map(features, LABEL, seed=0).axes[0].collections
    )
    assert rgb.shape == wifi.shape == (40, 2)
    between = np.linalg.norm(rgb.mean(axis=0) - wifi.mean(axis=0))
    assert between > rgb.std(axis=0).max() + wifi.std(axis=0).max()
    again = figures.feature_map(features, LABEL, seed=0).axes[0].collections[0].get_offsets()
    assert_allclose(again, rgb)


def test_a_map_shows_the_same_frames_of_every_sensor() -> None:
    features = {"rgb": np.random.default_rng(0).normal(size=(30, 4)), "wifi": np.zeros((30, 4))}
    axes = figures.feature_map(features, LABEL, seed=0, most=10).axes[0]
    assert [len(part.get_offsets()) for part in axes.collections] == [10, 10]
    with pytest.raises(ValueError, match=r"shapes \{'a': \(3, 2\), 'b': \(4, 2\)\}"):
        figures.feature_map({"a": np.ones((3, 2)), "b": np.ones((4, 2))}, LABEL, seed=0)
