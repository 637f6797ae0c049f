from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from equipose.balancing.continual.noise.mixture import two_components
from equipose.models.randomness import torch_rng


def clouds(sizes: tuple[int, int], apart: float, width: int = 2) -> Tensor:
    rng = torch_rng(0, "clouds", *sizes, width)
    low, high = (torch.randn(size, width, generator=rng, dtype=torch.float64) for size in sizes)
    return torch.cat([low, 0.5 * high + apart])


def test_two_clouds_are_found_as_by_scikit_learn() -> None:
    points = clouds((500, 100), 4.0)
    found = two_components(points, 0.3)
    assert found is not None
    other = GaussianMixture(2, random_state=0, tol=1e-10, max_iter=500, reg_covar=1e-9).fit(points.numpy())
    order = np.argsort(other.means_.sum(axis=1))
    assert np.allclose(found.weights, other.weights_[order], atol=0.01)
    assert np.allclose(found.means, other.means_[order], atol=0.05)
    assert np.allclose(found.covariances, other.covariances_[order], atol=0.05)
    one = GaussianMixture(1).fit(points.numpy())
    assert abs(found.gain - (one.bic(points.numpy()) - other.bic(points.numpy()))) < 5
    assert (found.upper[:500] < 0.5).float().mean() > 0.99
    assert (found.upper[500:] > 0.5).float().mean() > 0.99


def test_distance_by_hand() -> None:
    found = two_components(clouds((2000, 2000), 6.0, width=1), 0.5)
    assert found is not None
    within = (1 + 0.25) / 2
    assert abs(found.distance - 6 / within**0.5) < 0.3


def test_one_cloud_needs_one_component() -> None:
    found = two_components(clouds((600, 0), 0.0, width=1), 0.1)
    assert found is not None
    assert found.gain < 0


def test_too_few_and_equal_points() -> None:
    assert two_components(clouds((10, 0), 0.0), 0.1) is None
    assert two_components(torch.ones(500, 1, dtype=torch.float64), 0.1) is None
    assert two_components(torch.empty(0, 1, dtype=torch.float64), 0.1) is None


def test_the_order_of_points_does_not_matter() -> None:
    points = clouds((300, 60), 3.0, width=1)
    turn = torch.randperm(360, generator=torch_rng(0, "turn"))
    first, second = two_components(points, 0.1), two_components(points[turn], 0.1)
    assert first is not None
    assert second is not None
    torch.testing.assert_close(first.upper[turn], second.upper, rtol=0, atol=1e-9)
