"""Drift has its correlation, spells cover their share, velocity is exact for steady motion."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.simulator.sensors.signals import drift, spells, velocity


def test_drift_has_unit_variance_and_the_asked_memory() -> None:
    signal = drift(np.random.default_rng(0), (400, 300), 0.8)
    assert signal[0].std() == pytest.approx(1.0, abs=0.1)
    assert signal[300:].std() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(signal[:-1].ravel(), signal[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.97, 1.0])
def test_spells_cover_their_share(share: float) -> None:
    inside = spells(np.random.default_rng(1), (500, 400), share, 8.0)
    assert inside.mean() == pytest.approx(share, abs=0.01)
    if share == 0.5:
        changes = np.mean(inside[1:] != inside[:-1])
        assert changes == pytest.approx(0.5 * 2 / 8, abs=0.01)


def test_velocity_of_a_steady_motion() -> None:
    path = np.arange(5.0)[:, None] * [0.1, 0.0, -0.2]
    assert np.allclose(velocity(path, 10.0), [1.0, 0.0, -2.0])
    assert np.all(velocity(path[:1], 10.0) == 0)
