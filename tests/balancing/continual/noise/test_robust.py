from __future__ import annotations

import torch

from equipose.balancing.continual.noise.robust import compressed, robust_z
from equipose.models.randomness import torch_rng


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch_rng(0, "robust"), dtype=torch.float64)


def test_a_normal_column_keeps_its_scale_whatever_is_far_out() -> None:
    values = 5 + 3 * normal(2000, 2)
    values[:100, 0] = 1e6
    values[:50, 1] = torch.nan
    found = robust_z(values)
    assert torch.equal(found.isnan(), values.isnan())
    clean = found[100:]
    assert ((clean.std(dim=0) - 1).abs() < 0.1).all()
    assert (clean.mean(dim=0).abs() < 0.15).all()


def test_columns_without_spread() -> None:
    equal = torch.full((9,), 4.0, dtype=torch.float64)
    assert robust_z(equal).tolist() == [0.0] * 9
    equal[3] = 7.0
    found = robust_z(equal)
    assert found.isfinite().all()
    assert int(found.argmax()) == 3
    assert robust_z(torch.full((3,), torch.nan)).isnan().all()


def test_compression_keeps_one_hump() -> None:
    """The density of a compressed normal value falls from 0 outwards; two humps would look like two kinds."""
    values = compressed(normal(200_000)).abs()
    counts = torch.histc(values, bins=12, min=0, max=3)
    assert (counts.diff() < 0).all()
    assert torch.equal(compressed(-normal(50)), -compressed(normal(50)))
