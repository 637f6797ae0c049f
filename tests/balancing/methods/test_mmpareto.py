from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.compose import chain
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.mmpareto import MMPareto, mixed, mixing_weights
from equipose.balancing.objectives.pose import pose_losses


def vector(*values: float) -> torch.Tensor:
    return torch.tensor([float(value) for value in values])


def test_agreeing_gradients_are_summed() -> None:
    assert mixing_weights(vector(1, 0), vector(1, 1)) == (0.5, 0.5)
    found, weight = mixed(vector(1, 0), vector(1, 1), 1.5, True)
    assert found.tolist() == [3, 1.5]
    assert weight == 0.5


def test_conflicting_gradients_mix_to_the_shortest_and_keep_their_length() -> None:
    """(2, 0) and (-1, 1): k_mm = (g_u - g_mm) g_u / |g_u - g_mm|^2 = 4 / 10."""
    joint, own = vector(2, 0), vector(-1, 1)
    assert mixing_weights(joint, own) == pytest.approx((0.4, 0.6))
    short, _ = mixed(joint, own, 1.0, False)
    assert short.tolist() == pytest.approx([0.4, 1.2])
    found, weight = mixed(joint, own, 1.5, True)
    length = 2**0.5  # of the sum (1, 1)
    assert weight == pytest.approx(0.6)
    assert found.norm().item() == pytest.approx(1.5 * length)
    assert (found / short).tolist() == pytest.approx([1.5 * length / 1.6**0.5] * 2)
    # Neither loss grows along it: published copies overwrite the weights and lose this.
    assert found @ joint > 0
    assert found @ own > 0


def test_tensors_are_lengthened_each_by_itself_on_demand() -> None:
    """Joint (2, 0 | 1), own (-1, 1 | -2): k = (10, 9) / 19, mix (22, 18 | -16) / 19, sum (1, 1 | -1).

    The first tensor's mix is longer than its part of the sum (1.50 > 1.41) and stays, the second's is not.
    """
    joint, own = vector(2, 0, 1), vector(-1, 1, -2)
    assert mixing_weights(joint, own) == pytest.approx((10 / 19, 9 / 19))
    short = vector(22, 18, -16) / 19
    whole, _ = mixed(joint, own, 1.0, True)
    assert whole.tolist() == pytest.approx((short * 3**0.5 / short.norm()).tolist())
    found, weight = mixed(joint, own, 1.0, True, [2, 1])
    assert weight == pytest.approx(9 / 19)
    assert found.tolist() == pytest.approx([22 / 19, 18 / 19, -1])


def test_opposite_gradients_stay_finite() -> None:
    found, _ = mixed(vector(1, 0), vector(-2, 0), 1.5, True)
    assert found.tolist() == [0, 0]


class Summed(Method):
    needs = frozenset({"unimodal_heads"})


@pytest.mark.parametrize("stretch", ["encoder", "tensor"])
@pytest.mark.parametrize("num_modalities", [2, 3, 4])
def test_step_equals_two_backward_passes(num_modalities: int, stretch: Any, toy_training: Callable) -> None:
    config = MMPareto.Config(stretch=stretch, weight=0.25)
    training = toy_training(MMPareto(config), num_modalities, dtype=torch.float64)
    reference = toy_training(Summed(), num_modalities, dtype=torch.float64)
    training.batches = training.batches[:1]
    training.run_epoch()
    model, batch = reference.model, reference.batches[0]
    gradients: list[dict[str, Any]] = []
    for pick in (lambda name: name == POSE, lambda name: name != POSE):
        model.zero_grad()
        losses = pose_losses(model(batch), batch)
        weighed = {name: loss if name == POSE else 0.25 * loss for name, loss in losses.items()}
        sum(loss for name, loss in weighed.items() if pick(name)).backward()  # type: ignore[union-attr]
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    joint, own = gradients
    for name, parameter in training.model.named_parameters():
        if not name.startswith("encoders."):
            expected = joint.get(name, 0) + own.get(name, 0)
            torch.testing.assert_close(parameter.grad, expected)
    for modality in model.modalities:
        names = [n for n in joint if n.startswith(f"encoders.{modality}.")]
        flat = [torch.cat([part[n].flatten() for n in names]) for part in (joint, own)]
        sizes = [joint[n].numel() for n in names] if stretch == "tensor" else None
        expected, weight = mixed(flat[0], flat[1], 1.5, True, sizes)
        parameters = dict(training.model.named_parameters())
        torch.testing.assert_close(torch.cat([parameters[n].grad.flatten() for n in names]), expected)
        assert training.logged[f"method/unimodal_weight/{modality}"] == pytest.approx(weight)


def test_penalties_are_not_mixed(toy_training: Callable) -> None:
    class Pull(Method):
        def shape_losses(self, losses: Losses, step: Step) -> Losses:
            first = next(iter(step.groups["rgb"].values()))
            return losses | {"pull": 3 * first.sum()}

    pulled = toy_training(chain(pull=Pull(), pareto=MMPareto()), dtype=torch.float64)
    alone = toy_training(MMPareto(), dtype=torch.float64)
    for each in (pulled, alone):
        each.batches = each.batches[:1]
        each.run_epoch()
    pairs = list(zip(pulled.model.named_parameters(), alone.model.parameters(), strict=True))
    for i, ((_, a), b) in enumerate(pairs):
        torch.testing.assert_close(a.grad - b.grad, torch.full_like(a, 3.0 if i == 0 else 0.0))


def test_rejects() -> None:
    for field in ("gamma", "weight"):
        with pytest.raises(ValueError, match=rf"mmpareto\.{field} must"):
            MMPareto.Config(**{field: 0})
    with pytest.raises(ValueError, match=r"mmpareto\.stretch"):
        MMPareto.Config(stretch="layer")  # type: ignore[arg-type]
