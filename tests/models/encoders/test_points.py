"""Geometry of masked point sets."""

from __future__ import annotations

import torch

from equipose.models.encoders.points import farthest_points, gather, gather_mask, masked_mean, nearest


def cloud(batch: int = 3, points: int = 12) -> torch.Tensor:
    return torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_nearest_agrees_with_a_plain_search_and_puts_padding_last() -> None:
    xyz = cloud()
    mask = torch.ones(3, 12, dtype=torch.bool)
    mask[:, 9:] = False
    mask[2] = False
    mask[2, :2] = True
    index = nearest(xyz[:, :4], xyz, mask, 5)
    for b in range(3):
        real = mask[b].nonzero().flatten().tolist()
        for s in range(4):
            ordered = sorted(real, key=lambda n: float((xyz[b, n] - xyz[b, s]).norm()))
            assert index[b, s].tolist()[: len(ordered)] == ordered[:5]
    assert nearest(xyz, xyz, mask, 50).shape == (3, 12, 12)


def test_gather_and_its_mask() -> None:
    values = cloud()
    index = torch.tensor([[[0, 3], [11, 2]]] * 3)
    picked = gather(values, index)
    assert torch.equal(picked[1, 1, 0], values[1, 11])
    assert torch.equal(picked[2, 0, 1], values[2, 3])
    mask = torch.arange(12).expand(3, -1) < 3
    assert gather_mask(mask, index)[0].tolist() == [[True, False], [False, True]]


def test_farthest_points_spread_over_real_points_first() -> None:
    xyz = cloud(1)
    xyz[0, 7] = 50.0
    xyz[0, 11] = 1000.0
    mask = torch.ones(1, 12, dtype=torch.bool)
    mask[0, 11] = False
    chosen = farthest_points(xyz, mask, 12)[0].tolist()
    assert chosen[0] == 7
    assert sorted(chosen[:11]) == list(range(11))
    assert torch.equal(farthest_points(xyz, mask, 5)[0], torch.tensor(chosen[:5]))


def test_farthest_points_takes_duplicates_once_each() -> None:
    xyz = torch.zeros(1, 4, 3)
    chosen = farthest_points(xyz, torch.tensor([[False, True, True, True]]), 3)
    assert sorted(chosen[0].tolist()) == [1, 2, 3]


def test_farthest_points_follow_their_points_through_a_permutation() -> None:
    xyz, mask = cloud(), torch.ones(3, 12, dtype=torch.bool)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    before = gather(xyz, farthest_points(xyz, mask, 6))
    shuffled = xyz[:, order]
    assert torch.equal(before, gather(shuffled, farthest_points(shuffled, mask, 6)))


def test_masked_mean_of_nothing_is_zero() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [8.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(values, mask).tolist() == [[2.0], [0.0]]
