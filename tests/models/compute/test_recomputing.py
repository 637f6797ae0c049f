"""Recomputed attention gives equal gradients and keeps far less for the backward pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from equipose.models.compute import recomputing
from equipose.models.compute.recomputing import Recomputing
from equipose.models.encoders.point_transformer import PointTransformer

POINTS, FRAMES = 24, 6


def encoder(recomputes: bool) -> PointTransformer:
    torch.manual_seed(0)
    built = PointTransformer(
        PointTransformer.Config(base=8, width=32, neighbours=8, levels=(12, 4)), 5, "batch"
    )
    for layer in built.modules():
        if isinstance(layer, Recomputing):
            layer.recomputes = recomputes
    return built.train()


def cloud() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(FRAMES, POINTS, 3, generator=rng), torch.rand(FRAMES, POINTS, generator=rng) < 0.8


def gradients(built: PointTransformer) -> list[Tensor]:
    built(*cloud()).square().sum().backward()
    return [p.grad for p in built.parameters() if p.grad is not None]


@pytest.mark.parametrize("frames", [1, 4, FRAMES])
def test_gradients_are_equal_whatever_the_slice(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    monkeypatch.setattr(recomputing, "SLICE", frames * POINTS * 8 * 32)
    kept, again = encoder(False), encoder(True)
    one, other = gradients(kept), gradients(again)
    largest = max(float(gradient.abs().max()) for gradient in one)
    assert len(one) == len(list(kept.parameters()))
    for a, b in zip(one, other, strict=True):
        assert float((a - b).abs().max()) <= 1e-6 * largest
    for (name, a), b in zip(kept.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6, msg=name)


def saved_bytes(built: PointTransformer) -> int:
    """Bytes that a pass keeps for the backward pass, each memory counted once."""
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        held = built(*cloud())
    assert held.requires_grad
    return sum(found.values())


def test_less_is_kept() -> None:
    assert saved_bytes(encoder(recomputes=True)) < saved_bytes(encoder(recomputes=False)) / 3


def test_evaluation_keeps_its_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(recomputing, "checkpoint", lambda *args, **kwargs: calls.append(args))
    built = encoder(True).eval()
    built(*cloud())
    with torch.no_grad():
        built.train()(*cloud())
    assert not calls
