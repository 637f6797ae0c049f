"""Cameras project and look as written out by hand."""

from __future__ import annotations

import numpy as np

from equipose.pipelines.simulator.render.pinhole import Pinhole

PLAIN = Pinhole(focal=(400.0, 500.0), centre=(100.0, 60.0), size=(200, 120))


def test_a_point_is_projected_by_its_axes() -> None:
    assert np.allclose(PLAIN.project(np.array([0.5, -0.2, 2.0])), [100 + 400 * 0.25, 60 - 500 * 0.1])
    turned = Pinhole(
        focal=(400.0, 500.0),
        centre=(100.0, 60.0),
        size=(200, 120),
        rotation=np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),  # looks along +x
        position=np.array([1.0, 0.0, 3.0]),
    )
    assert np.allclose(turned.to_camera(np.array([3.0, 0.1, 2.5])), [0.5, 0.1, 2.0])
    assert np.allclose(turned.project(np.array([3.0, 0.1, 2.5])), [200.0, 85.0])


def test_rays_pass_through_the_centres_of_the_pixels() -> None:
    x, y = PLAIN.rays()
    assert (len(x), len(y)) == (200, 120)
    assert np.allclose(PLAIN.project(np.array([7 * x[30], 7 * y[40], 7.0])), [30.5, 40.5], atol=1e-4)
