"""What every encoder guarantees, for every sensor, preset and normalisation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig
from equipose.models.encoders import NORMS, Encoder, Norm
from equipose.models.sensors import SENSORS

Make = Callable[..., Batch]

DEAD = {"layer": "gamma.2.bias", "batch": ".bias"}
"""Published biases whose gradient is zero by construction: a softmax cancels the first kind, and batch
normalisation cancels whatever adds the same to every row."""

CASES = [(name, preset, norm) for name in SENSORS for preset in ("tiny", "small") for norm in NORMS]
cases = pytest.mark.parametrize(("modality", "preset", "norm"), CASES)


def build(modality: str, preset: str, norm: Norm, dim: int = 12) -> Encoder:
    torch.manual_seed(0)
    config = ModelConfig(preset=preset, modalities=(modality,)).encoder(modality)  # type: ignore[arg-type]
    return config.build(dim, norm).double()


def given(batch: Batch, modality: str) -> tuple[Tensor, Tensor | None]:
    return batch.inputs[modality], batch.masks.get(modality)


@cases
def test_gives_finite_features_of_the_asked_width_and_type(
    modality: str, preset: str, norm: Norm, make_batch: Make
) -> None:
    batch = make_batch(5, order=(modality,))
    encoder = build(modality, preset, norm)
    features = encoder(*given(batch, modality))
    assert features.shape == (5, 12)
    assert features.dtype == torch.float64
    assert features.isfinite().all()
    single = batch.to(dtype=torch.float32)
    assert encoder.float()(*given(single, modality)).dtype == torch.float32


@cases
def test_rows_are_independent_and_repeatable_in_eval_mode(
    modality: str, preset: str, norm: Norm, make_batch: Make
) -> None:
    encoder = build(modality, preset, norm)
    inputs, mask = given(make_batch(4, order=(modality,)), modality)
    encoder(inputs, mask)  # moves the running statistics away from their start
    encoder.eval()
    together = encoder(inputs, mask)
    assert torch.equal(together, encoder(inputs, mask))
    alone = [encoder(inputs[i : i + 1], None if mask is None else mask[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)
    assert (together[0] - together[1]).abs().max() > 1e-6, "the input must matter"


@cases
def test_gradient_reaches_every_parameter(modality: str, preset: str, norm: Norm, make_batch: Make) -> None:
    encoder = build(modality, preset, norm)
    features = encoder(*given(make_batch(6, order=(modality,)), modality))
    (features * torch.randn(features.shape, dtype=torch.float64)).sum().backward()
    silent = []
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, f"{name} would make DDP raise"
        assert parameter.grad.isfinite().all(), name
        if parameter.grad.abs().max() < 1e-10:
            silent.append(name)
    assert [name for name in silent if not name.endswith(DEAD[norm])] == []


@cases
def test_layer_norm_keeps_no_batch_statistics(
    modality: str, preset: str, norm: Norm, make_batch: Make
) -> None:
    encoder = build(modality, preset, norm)
    inputs, mask = given(make_batch(6, order=(modality,)), modality)
    whole = encoder(inputs, mask)
    half = encoder(inputs[:3], None if mask is None else mask[:3])
    same = torch.allclose(whole[:3], half, rtol=1e-9, atol=1e-9)
    assert same == (norm == "layer")
    assert any("running_mean" in name for name, _ in encoder.named_buffers()) == (norm == "batch")
