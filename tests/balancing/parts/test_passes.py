from __future__ import annotations

from collections.abc import Callable

import torch

from equipose.balancing.methods.g_blending import GBlending
from equipose.balancing.parts.passes import head_losses


def test_losses_are_means_over_all_samples(toy_training: Callable) -> None:
    training = toy_training(GBlending(), dtype=torch.float64, norm="batch")
    training.model.eval()
    batches = training.batches
    outputs = [training.model(batch) for batch in batches]
    target = torch.cat([batch.pose for batch in batches])

    def error(poses: list[torch.Tensor]) -> torch.Tensor:
        return (torch.cat(poses) - target).norm(dim=-1).mean()

    expected = [error([o.pose for o in outputs])]
    expected += [error([o.unimodal[m] for o in outputs]) for m in training.model.modalities]
    training.model.train()
    torch.testing.assert_close(head_losses(training.view(), batches), torch.stack(expected))
