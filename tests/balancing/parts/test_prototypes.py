from __future__ import annotations

from math import exp

import pytest
import torch

from equipose.balancing.parts.prototypes import prototype_log_probabilities, renewed


def test_probabilities_by_hand() -> None:
    features = torch.tensor([[[3.0, 4.0]]])
    prototypes = torch.tensor([[[0.0, 0.0], [3.0, 3.0], [9.0, 9.0]]])
    known = torch.tensor([[True, True, False]])
    found = prototype_log_probabilities(features, prototypes, known).exp()[0, 0]
    assert found.tolist() == pytest.approx([exp(-5) / (exp(-5) + exp(-1)), exp(-1) / (exp(-5) + exp(-1)), 0])


def test_gradients_survive_unknown_classes_and_zero_distances() -> None:
    features = torch.zeros(2, 1, 3, requires_grad=True)
    logs = prototype_log_probabilities(features, torch.zeros(1, 4, 3), torch.zeros(1, 4, dtype=torch.bool))
    logs.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_renewal_by_hand() -> None:
    """Classes that are known and seen, only known, only seen, and neither."""
    old, new = torch.full((1, 4, 2), 4.0), torch.full((1, 4, 2), 8.0)
    known, seen = torch.tensor([[True, True, False, False]]), torch.tensor([[True, False, True, False]])
    prototypes, exist = renewed(old, known, new, seen, momentum=0.75)
    assert prototypes[0, :3, 0].tolist() == [5, 4, 8]
    assert exist.tolist() == [[True, True, True, False]]
