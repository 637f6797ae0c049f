"""Where memory is saved, a Fisher pass takes few samples at once, with the same result."""

from __future__ import annotations

import pytest
import torch

from equipose.balancing.fisher import pieces
from equipose.balancing.fisher.diagonal import FisherMode, fisher_diagonal
from equipose.models.build import ModelConfig, build_model
from equipose.models.compute.config import ComputeConfig
from equipose.models.pose_errors import mpjpe
from tests.models.conftest import random_batch


@pytest.mark.parametrize("mode", ["per_sample", "per_batch"])
def test_pieces_add_up(monkeypatch: pytest.MonkeyPatch, mode: FisherMode) -> None:
    monkeypatch.setattr(pieces, "SMALL", 4)
    model = build_model(ModelConfig(preset="tiny"), mean_pose=torch.zeros(17, 3), seed=0).double()
    sizes: list[int] = []
    model.register_forward_hook(lambda module, given, found: sizes.append(len(given[0])))
    batches = [random_batch(6, seed=1), random_batch(6, seed=2)]
    whole = fisher_diagonal(model, batches, mpjpe, mode=mode)
    assert max(sizes) == 6
    sizes.clear()
    model.compute_as(ComputeConfig(activation_checkpointing=True))
    cut = fisher_diagonal(model, batches, mpjpe, mode=mode)
    assert max(sizes) == 4
    for name, value in whole.items():
        torch.testing.assert_close(cut[name], value, rtol=1e-9, atol=1e-12, msg=name)
