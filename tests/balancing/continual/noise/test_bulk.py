from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.continual.noise.bulk import bulk_share
from equipose.models.randomness import torch_rng


def points(share: float, apart: tuple[float, float]) -> Tensor:
    values = torch.randn(800, 2, generator=torch_rng(0, "bulk"), dtype=torch.float64)
    values[: round(800 * share)] += torch.tensor(apart, dtype=torch.float64)
    return values


def test_a_large_second_cloud_is_reported_with_its_share() -> None:
    assert abs(bulk_share(points(0.4, (4.0, 3.0))) - 0.4) < 0.02


def test_what_is_reported_is_large_and_doubtful_in_every_channel() -> None:
    assert bulk_share(points(0.0, (0.0, 0.0))) == 0
    assert bulk_share(points(0.4, (1.0, 1.0))) == 0, "not apart"
    assert bulk_share(points(0.4, (6.0, 0.0))) == 0, "recordings that differ, but are read as well"
    assert bulk_share(points(0.05, (6.0, 6.0))) == 0, "a tail"


def test_rows_without_evidence_do_not_count() -> None:
    values = points(0.4, (4.0, 3.0))
    values[:160, 1] = torch.nan
    assert abs(bulk_share(values) - 0.25) < 0.02
    assert bulk_share(torch.full((50, 2), torch.nan)) == 0
