from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from equipose.balancing.methods.mla import MLA
from equipose.balancing.methods.recon_boost import ReconBoost
from equipose.balancing.parts.alternating import head_parameters, other_parameters, share_buffers, tie


@pytest.mark.parametrize("method", [MLA, ReconBoost])
def test_replicas_stay_identical_with_batch_statistics(
    method: type, toy_training: Callable, thread_ranks: Callable
) -> None:
    """Buffers too, although the ranks see different rows and never call the wrapped model."""
    ranks = thread_ranks(2)
    pair = [toy_training(method(), norm="batch", rank=r, world_size=2, mean=ranks.mean(r)) for r in range(2)]
    for training in pair:
        training.wrapped.forward = None
    first, second = ranks.run(lambda rank: pair[rank].fit(3).weights())
    assert torch.equal(first, second)


def test_shared_buffers_are_means(toy_training: Callable, thread_ranks: Callable) -> None:
    ranks = thread_ranks(2)
    pair = [toy_training(MLA(), norm="batch", mean=ranks.mean(r)) for r in range(2)]
    for rank, training in enumerate(pair):
        training.model.encoders["rgb"][1].running_mean.fill_(float(rank))
    ranks.run(lambda rank: share_buffers(pair[rank].view()))
    for training in pair:
        assert (training.model.encoders["rgb"][1].running_mean == 0.5).all()
        assert training.model.encoders["rgb"][1].num_batches_tracked == 0


def test_other_parameters(toy_training: Callable) -> None:
    model = toy_training(MLA()).model
    found = other_parameters(model, "encoders.", "heads.")
    assert [p.shape for p in found] == [p.shape for p in model.fusion.parameters()]


def test_tied_heads_equal_the_first(toy_training: Callable) -> None:
    heads = head_parameters(toy_training(MLA()).model)
    assert list(heads) == ["rgb", "lidar", "mmwave"]
    first = [parameter.clone() for parameter in heads["rgb"]]
    assert not torch.equal(heads["lidar"][0], first[0])
    tie(heads.values())
    for head in heads.values():
        assert all(torch.equal(a, b) for a, b in zip(head, first, strict=True))
