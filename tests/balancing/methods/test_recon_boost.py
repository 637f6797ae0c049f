from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.methods.recon_boost import ReconBoost, residual_targets
from equipose.balancing.objectives.pose import pose_losses

Config = ReconBoost.Config


def test_residual_targets_by_hand() -> None:
    own = torch.tensor([1.0, 2.0, 5.0]).view(1, 3, 1, 1).expand(2, 3, 17, 3)
    target = torch.full((2, 17, 3), 4.0)
    present = torch.tensor([[True, True, True], [True, False, True]])
    # Row 0: 3 * 4 - 1 - 5; row 1, whose own modality and third are joined by the first: 3 * 4 - 1 - 5 too.
    assert residual_targets(own, target, present, 1)[:, 0, 0].tolist() == [6, 6]
    # Seen from the third: 3 * 4 - 1 - 2 and, with the second absent, 2 * 4 - 1.
    found = residual_targets(own, target, present, 2)
    assert found[:, 0, 0].tolist() == [9, 7]
    others = (own[:, :2] * present[:, :2, None, None]).sum(dim=1)
    mean = (others + found) / present.sum(dim=1)[:, None, None]
    torch.testing.assert_close(mean, target)


@pytest.mark.parametrize(
    ("after", "expected"),
    [(1, [0, None, 1, None, 2, None, 0]), (2, [0, 1, None, 2, 0, None, 1]), (3, [0, 1, 2, None, 0, 1, 2])],
)
def test_turns(after: int, expected: list[int | None]) -> None:
    method = ReconBoost(Config(rectify_after=after))
    found = []
    for method.turn in range(7):
        found.append(method.whose_turn(3))
    assert found == expected


@pytest.mark.parametrize("reading", ["residual", "reweighted"])
def test_loss_of_a_turn_by_hand(reading: str, toy_training: Callable) -> None:
    config = Config(reading=reading, w1=3.0, w2=2.0, alpha=0.7, scale_mm=900.0)  # type: ignore[arg-type]
    training = toy_training(ReconBoost(config), dtype=torch.float64)
    batch = training.batches[0]
    outputs = training.model(batch)
    found = training.method._boost(training.view(), batch, outputs, 1)
    total, rows = 0.0, 0
    own = torch.stack(list(outputs.unimodal.values()), dim=1)
    for row in range(len(batch)):
        if not batch.present[row, 1]:
            continue
        error = (own[row, 1] - batch.pose[row]).norm(dim=-1).mean()
        if reading == "residual":
            others = [own[row, m] for m in (0, 2) if batch.present[row, m]]
            residual = (len(others) + 1) * batch.pose[row] - sum(others)
            value = 3 * error + 2 * (own[row, 1] - residual).norm(dim=-1).mean()
        else:
            joint = (outputs.pose[row] - batch.pose[row]).norm(dim=-1).mean()
            value = (3 - 2 * torch.exp(-joint / 0.9)) * error
        apart = (own[row, 1] - own[row, 0]).norm(dim=-1).mean() * batch.present[row, 0]
        total, rows = total + (value + 0.7 * apart).item(), rows + 1
    assert found.item() == pytest.approx(total / rows, rel=1e-12)
    grown = torch.autograd.grad(found, list(training.model.parameters()), allow_unused=True)
    names = [name for name, _ in training.model.named_parameters()]
    moved = {name for name, g in zip(names, grown, strict=True) if g is not None and g.any()}
    assert moved == {name for name in names if name.startswith(("encoders.lidar", "heads.lidar"))}


def test_each_turn_moves_its_own_part(toy_training: Callable) -> None:
    training = toy_training(ReconBoost())
    model, expected = training.model, [("encoders.rgb", "heads.rgb"), ("encoders.", "fusion")]
    for turn, parts in enumerate(expected):
        before = {name: p.clone() for name, p in model.named_parameters()}
        training.step(training.view(), turn, training.batches[0])
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {name for name in before if name.startswith(parts)}


def test_losses_are_those_of_the_task(toy_training: Callable) -> None:
    training = toy_training(ReconBoost())
    batch = training.batches[0]
    expected = pose_losses(training.model(batch), batch)
    training.step(training.view(), 0, batch)
    assert training.losses.keys() == expected.keys()
    for name, loss in training.losses.items():
        assert loss.item() == pytest.approx(expected[name].item())
        assert not loss.requires_grad


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reading": "boost"}, r"recon_boost\.reading must be one of .*residual"),
        ({"w1": -1.0}, r"recon_boost\.w1 .* -1"),
        ({"alpha": float("nan")}, r"recon_boost\.alpha .* nan"),
        ({"scale_mm": 0.0}, r"recon_boost\.scale_mm"),
        ({"rectify_after": 0}, r"recon_boost\.rectify_after must be at least 1"),
        ({"reading": "reweighted", "w2": 9.0}, r"recon_boost\.w2=9.0 exceeds w1"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)
