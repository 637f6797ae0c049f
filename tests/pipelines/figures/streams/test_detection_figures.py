"""ROC curves are drawn as given, beside the diagonal of chance."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.figures import roc_curves


def test_a_curve_per_sensor_beside_chance() -> None:
    curves = {"rgb": ([0.0, 0.1, 1.0], [0.0, 0.9, 1.0]), "any": ([0.0, 1.0], [0.0, 1.0])}
    axes = roc_curves(curves, "simulated data").axes[0]
    chance, *drawn = axes.lines
    np.testing.assert_allclose(chance.get_ydata(), [0, 1])
    assert [line.get_label() for line in drawn] == ["rgb", "any"]
    np.testing.assert_allclose(drawn[0].get_xydata(), [[0.0, 0.0], [0.1, 0.9], [1.0, 1.0]])


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="curves is empty"):
        roc_curves({}, "simulated data")
