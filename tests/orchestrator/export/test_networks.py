"""The exported networks see what the model sees, and know by themselves which sensors are there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from equipose.models.batch import Batch
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.export.networks import EncoderNetwork, PoseNetwork, usable

Batches = Callable[[int], Batch]
Values = Callable[[Batch], dict[str, Tensor]]


def test_the_whole_network_gives_the_models_poses(
    trained: TrainedModel, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(5)
    network = PoseNetwork(trained.model, trained.sensors)
    with torch.no_grad():
        assert torch.equal(network(values_of(batch)), trained.model(batch).pose)


def test_a_network_of_two_sensors_is_the_model_without_the_others(
    trained: TrainedModel, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(5)
    batch.present[:, [1, 2]] = False
    values = {name: value for name, value in values_of(batch).items() if name in ("rgb", "wifi")}
    network = PoseNetwork(trained.model, ("rgb", "wifi"))
    with torch.no_grad():
        assert torch.equal(network(values), trained.model(batch).pose)
    assert not [name for name, _ in network.named_parameters() if "lidar" in name or "mmwave" in name]


@pytest.mark.parametrize("sensor", ["rgb", "lidar", "mmwave", "wifi"])
def test_an_encoder_gives_the_models_features(
    sensor: str, trained: TrainedModel, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(5)
    values = {name: v for name, v in values_of(batch).items() if name in (sensor, f"{sensor}_mask")}
    with torch.no_grad():
        found = EncoderNetwork(trained.model, sensor)(values)
        expected = trained.model.encode(batch)[:, trained.sensors.index(sensor)]
    assert torch.equal(found, expected)
    if sensor == "lidar":
        assert not found[-1].any()
        assert found[:-1].any()


def test_padding_says_nothing_about_presence() -> None:
    values = torch.zeros(4, 3, 3)
    values[0, 2] = torch.nan
    values[1, 0, 1] = torch.inf
    mask = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
    assert usable(values, mask).tolist() == [True, False, False, True]
    assert usable(values, None).tolist() == [False, False, True, True]
