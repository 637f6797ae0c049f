from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from equipose.balancing.method import Method
from equipose.balancing.methods.ogm_ge import OGMGE, modulate


def test_update_by_hand() -> None:
    parameter = nn.Parameter(torch.zeros(40, 50))
    gradient = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    parameter.grad = gradient.clone()
    modulate([parameter], 0.25, 2.0, torch.Generator().manual_seed(5))
    noise = torch.randn(40, 50, generator=torch.Generator().manual_seed(5)) * 2 * gradient.std(correction=0)
    torch.testing.assert_close(parameter.grad, 0.25 * gradient + noise)


@pytest.mark.parametrize("num_modalities", [2, 3, 4])
@pytest.mark.parametrize("unimodal", ["coalition", "heads"])
def test_only_encoders_of_modalities_ahead_slow_down(
    num_modalities: int, unimodal: str, toy_training: Callable
) -> None:
    options = {"alpha": 0.5, "noise": 0.0, "min_dims": 2, "unimodal": unimodal}
    method = OGMGE(OGMGE.Config(**options))  # type: ignore[arg-type]
    training = toy_training(method, num_modalities)
    plain = toy_training(Method(), num_modalities)
    for each in (training, plain):
        each.batches = each.batches[:1]
        each.run_epoch()
    slowed = 0
    reference = dict(plain.model.named_parameters())
    for modality in training.model.modalities:
        factor = training.logged[f"method/coefficient/{modality}"]
        slowed += factor < 1
        for name, parameter in training.model.encoders[modality].named_parameters():
            expected = reference[f"encoders.{modality}.{name}"].grad * (factor if parameter.dim() > 1 else 1)
            torch.testing.assert_close(parameter.grad, expected)
    torch.testing.assert_close(training.model.fusion.weight.grad, reference["fusion.weight"].grad)
    assert 0 < slowed < num_modalities


def test_heads_learn_without_the_encoders(toy_training: Callable) -> None:
    idle = OGMGE.Config(alpha=0.0, noise=0.0, unimodal="heads")
    training = toy_training(OGMGE(idle))
    heads = [p.clone() for p in training.model.heads.parameters()]
    assert torch.equal(training.fit(2).weights(heads=False), toy_training(Method()).fit(2).weights())
    assert all(not torch.equal(a, b) for a, b in zip(heads, training.model.heads.parameters(), strict=True))


@pytest.mark.parametrize("noise_on", ["all", "modulated"])
def test_noise_on_all_or_modulated_encoders(noise_on: str, toy_training: Callable) -> None:
    noisy = toy_training(OGMGE(OGMGE.Config(noise_on=noise_on)))  # type: ignore[arg-type]
    quiet = toy_training(OGMGE(OGMGE.Config(noise=0.0)))
    for each in (noisy, quiet):
        each.batches = each.batches[:1]
        each.run_epoch()
    for modality in noisy.model.modalities:
        ahead = noisy.logged[f"method/coefficient/{modality}"] < 1
        pairs = zip(
            noisy.model.encoders[modality].parameters(),
            quiet.model.encoders[modality].parameters(),
            strict=True,
        )
        for a, b in pairs:
            jittered = a.dim() > 1 and (ahead or noise_on == "all")
            assert torch.equal(a.grad, b.grad) != jittered


@pytest.mark.parametrize(
    ("field", "value"),
    [("alpha", -1.0), ("noise", float("nan")), ("noise_on", "none"), ("ratio", "best"), ("temperature", 0.0),
     ("unimodal", "linear"), ("min_dims", -1)],
)  # fmt: skip
def test_rejects(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"ogm_ge\.{field} must"):
        OGMGE.Config(**{field: value})  # type: ignore[arg-type]
