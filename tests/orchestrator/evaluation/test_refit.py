"""Refitted heads equal ridge regression by scikit-learn, and never see test data while they are fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.evaluation.refit import STRENGTHS, Features, predicted, refitted_errors
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.batches.source import BatchConfig


def features(rows: int, seed: int) -> Features:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, 3, 5, generator=rng, dtype=torch.float64)
    readout = torch.randn(15, 51, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    noise = 0.1 * torch.randn(rows, 51, generator=rng, dtype=torch.float64)
    return Features(values=values, poses=(values.flatten(1) @ readout + noise).unflatten(1, (17, 3)))


@pytest.mark.parametrize("mask", [[True, False, True], [True, True, True], [False, True, False]])
def test_equal_to_scikit_learn(mask: list[bool]) -> None:
    chosen = torch.tensor(mask)
    train, validation, test = features(80, 1), features(30, 2), features(20, 3)
    x, y = train.values[:, chosen].flatten(1).numpy(), train.poses.flatten(1).numpy()
    centre, scale = x.mean(axis=0), x.std(axis=0, ddof=1)

    def fitted(strength: float, other: Features) -> np.ndarray:
        seen = (other.values[:, chosen].flatten(1).numpy() - centre) / scale
        ridge = Ridge(alpha=strength * len(x)).fit((x - centre) / scale, y)
        return np.asarray(ridge.predict(seen)).reshape(-1, 17, 3)

    def error(poses: np.ndarray, other: Features) -> float:
        return float(np.linalg.norm(poses - other.poses.numpy(), axis=-1).mean())

    best = min(STRENGTHS, key=lambda strength: error(fitted(strength, validation), validation))
    found = predicted(chosen, train, validation, test).numpy()
    np.testing.assert_allclose(found, fitted(best, test), rtol=1e-8, atol=1e-10)


def test_a_sensor_that_says_nothing_gives_the_mean_pose() -> None:
    train, validation, test = features(40, 1), features(10, 2), features(10, 3)
    for each in (train, validation, test):
        each.values[:, 1] = 0.0
    found = predicted(torch.tensor([False, True, False]), train, validation, test)
    torch.testing.assert_close(found, train.poses.mean(dim=0).expand_as(found))


def test_every_subset_of_a_model_on_the_test_part(store_path: Path) -> None:
    sensors = ("rgb", "lidar")
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16), modalities=sensors)
    config = TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch),
        model=ModelConfig(preset="tiny", modalities=sensors),
    )
    data = RunData.open(config.data)
    model = build_training(config, data).model
    frames = refitted_errors(model, data, batch)
    assert frames["subset"].unique(maintain_order=True).to_list() == ["R", "L", "RL"]
    assert frames.filter(frames["subset"] == "RL")["row"].to_list() == data.rows["test"].tolist()
    errors = [float(part["mpjpe_mm"].to_numpy().mean()) for part in frames.partition_by("subset")]
    assert all(0 < error < 500 for error in errors)
    assert model.training, "the model's mode is left as it was"
