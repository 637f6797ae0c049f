from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from equipose.balancing.methods.mla import MLA, narrowed, projected

Config = MLA.Config


def test_projection_by_hand() -> None:
    # k = P r = (2, 0), r'k = 4, so P loses (2, 0)(2, 0)' / (1 + 4).
    once = narrowed(torch.eye(2), torch.tensor([2.0, 0.0]), 1.0)
    torch.testing.assert_close(once, torch.tensor([[0.2, 0.0], [0.0, 1.0]]))
    # Then k = (0.2, 1), r'k = 1.2 for r = (1, 1).
    twice = narrowed(once, torch.tensor([1.0, 1.0]), 0.8)
    torch.testing.assert_close(twice, torch.tensor([[0.18, -0.1], [-0.1, 0.5]]))


def test_projection_forgets_no_direction_that_it_has_seen() -> None:
    """Without damping P is the orthogonal projection away from every feature seen."""
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(3, 6, generator=rng, dtype=torch.float64)
    projection = torch.eye(6, dtype=torch.float64)
    for feature in features:
        projection = narrowed(projection, feature, 1e-12)
    basis = torch.linalg.qr(features.T).Q
    expected = torch.eye(6, dtype=torch.float64) - basis @ basis.T
    torch.testing.assert_close(projection, expected, rtol=0, atol=1e-8)


def test_only_the_weight_of_the_head_is_projected() -> None:
    head = [nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(3))]
    gradient = torch.arange(4 + 6 + 3.0)
    turned = projected(gradient, head, torch.diag(torch.tensor([0.0, 1.0])))
    assert turned.tolist() == [0, 1, 2, 3, 0, 5, 0, 7, 0, 9, 10, 11, 12]


def test_moves_equal_a_plain_loop(toy_training: Callable) -> None:
    """Alternation with SGD, written out: each encoder and the shared head, then the rest."""
    training = toy_training(MLA(Config(damping=0.5)), dtype=torch.float64)
    training.optimizer = torch.optim.SGD(training.model.parameters(), lr=0.1)
    reference = toy_training(MLA(), dtype=torch.float64).model
    batch = training.batches[0]
    training.step(training.view(), 0, batch)

    first = reference.heads["rgb"]
    features = reference.encode(batch)
    projection = torch.eye(6, dtype=torch.float64)
    for m, name in enumerate(reference.modalities):
        kept = batch.present[:, m]
        pose = first(features[:, m]).unflatten(1, (17, 3))
        loss = (pose - batch.pose).norm(dim=-1).mean(dim=-1)[kept].mean()
        trained = [*reference.encoders[name].parameters(), first.weight, first.bias]
        *encoder, weight, bias = torch.autograd.grad(loss, trained, retain_graph=True)
        for parameter, gradient in zip(trained, [*encoder, weight @ projection, bias], strict=True):
            parameter.data -= 0.1 * gradient
        r = features[kept, m].mean(dim=0).detach()
        k = projection @ r
        projection = projection - torch.outer(k, k) / (0.5 + r @ k)
    joint = (reference.fuse(features.detach()) - batch.pose).norm(dim=-1).mean()
    joint.backward()
    for parameter in reference.fusion.parameters():
        parameter.data -= 0.1 * parameter.grad
    for part in ("encoders", "fusion"):
        found, expected = getattr(training.model, part).state_dict(), getattr(reference, part).state_dict()
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for head in training.model.heads.values():
        torch.testing.assert_close(head.state_dict(), first.state_dict(), rtol=0, atol=1e-12)
    torch.testing.assert_close(training.method.projection, projection, rtol=0, atol=1e-12)


def test_a_modality_absent_everywhere_moves_nothing(toy_training: Callable) -> None:
    training = toy_training(MLA())
    batch = training.batches[0]
    batch.present[:, 1] = False
    before = {name: p.clone() for name, p in training.model.encoders["lidar"].named_parameters()}
    training.step(training.view(), 0, batch)
    for name, parameter in training.model.encoders["lidar"].named_parameters():
        assert torch.equal(parameter, before[name])
    assert torch.isfinite(training.weights()).all()


def test_losses_carry_the_usual_names(toy_training: Callable) -> None:
    training = toy_training(MLA()).fit(1)
    assert list(training.losses) == ["pose", *(f"pose/{m}" for m in training.model.modalities)]
    assert not any(loss.requires_grad for loss in training.losses.values())


def test_joint_and_unimodal_errors_fall(toy_training: Callable) -> None:
    training = toy_training(MLA())
    training.fit(1)
    first = dict(training.losses)
    training.fit(30)
    assert all(training.losses[name] < 0.7 * first[name] for name in first)


@pytest.mark.parametrize("fields", [{"damping": 0.0}, {"damping": float("inf")}])
def test_config_messages(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"mla\.damping must be finite and above 0"):
        Config(**fields)
