"""Running statistics equal the statistics of the data, whatever happened to the weights before."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn

from equipose.models.batch import Batch
from equipose.models.batch_statistics import recalibrate
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.sensors import DEFAULT_SENSORS

BATCH, BATCHES = 16, 3


class Inputs(nn.Module):
    """Normalises the poses of a batch: a layer whose input is known."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(51)

    def forward(self, batch: Batch) -> Tensor:
        normalised: Tensor = self.norm(batch.pose.flatten(1))
        return normalised


@pytest.fixture
def batches(make_batch: Callable[..., Batch]) -> list[Batch]:
    return [make_batch(BATCH, seed=seed, dtype=torch.float32) for seed in range(BATCHES)]


@pytest.fixture
def model() -> PoseModel:
    """Of all default sensors, with batch statistics and dropout."""
    config = ModelConfig(preset="tiny", norm="batch", dropout=0.5, modalities=DEFAULT_SENSORS)
    return build_model(config, mean_pose=torch.zeros(17, 3), seed=0)


def buffers(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.named_buffers()}


def again(batches: list[Batch]) -> Callable[[], Iterable[Batch]]:
    return lambda: iter(batches)


def test_statistics_are_the_mean_over_batches(batches: list[Batch]) -> None:
    model = Inputs()
    recalibrate(model, again(batches))
    flat = torch.stack([batch.pose.flatten(1) for batch in batches])
    torch.testing.assert_close(model.norm.running_mean, flat.mean(dim=(0, 1)))
    torch.testing.assert_close(model.norm.running_var, flat.var(dim=1).mean(dim=0))


def test_what_was_there_before_does_not_matter(model: PoseModel, batches: list[Batch]) -> None:
    recalibrate(model, again(batches))
    fresh = buffers(model)
    with torch.no_grad():
        for value in model.buffers():
            if value.is_floating_point():
                value.add_(7.0)
    for name, norm in model.inputs.named_buffers():
        norm.copy_(fresh[f"inputs.{name}"])  # scaling of inputs is not a running statistic
    recalibrate(model, again(batches))
    for name, value in buffers(model).items():
        torch.testing.assert_close(value, fresh[name], rtol=0, atol=0)


def test_modes_momentum_and_weights_stay(model: PoseModel, batches: list[Batch]) -> None:
    frozen = model.encoders["rgb"].eval()
    before = {name: module.training for name, module in model.named_modules()}
    weights, kept = [p.clone() for p in model.parameters()], buffers(frozen)
    momenta = [m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    recalibrate(model, again(batches))
    assert {name: module.training for name, module in model.named_modules()} == before
    assert [m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm1d)] == momenta
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), weights, strict=True))
    assert all(torch.equal(value, kept[name]) for name, value in frozen.named_buffers())


def test_evaluation_sees_what_training_sees(model: PoseModel, batches: list[Batch]) -> None:
    """At the start of training, evaluation with lagging statistics sees another network."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    one = batches[:1]
    with torch.no_grad():
        wanted = model(one[0]).features
        model.eval()
        lagging = float((model(one[0]).features - wanted).norm() / wanted.norm())
        model.train()
        recalibrate(model, again(one))
        model.eval()
        settled = float((model(one[0]).features - wanted).norm() / wanted.norm())
    assert settled < 0.1 < lagging


def test_a_model_without_running_statistics_is_not_run(batches: list[Batch]) -> None:
    def refuse() -> Iterable[Batch]:
        raise AssertionError("the model was run")

    recalibrate(nn.Linear(2, 2), refuse)
