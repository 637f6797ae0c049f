"""The data of a run is opened once, and its fingerprint stands for the frames that it selects."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from equipose.orchestrator.training import data as run_data
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.data import OpenedData, RunData
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.store import open_store


@pytest.fixture
def config(small_run: TrainConfig) -> DataConfig:
    return small_run.data


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the stores that are opened, in order."""
    paths: list[str] = []

    def counted(path: str) -> object:
        paths.append(path)
        return open_store(path)

    monkeypatch.setattr(run_data, "open_store", counted)
    return paths


def test_parts_are_disjoint_and_the_stride_thins_training_alone(config: DataConfig) -> None:
    whole, thinned = RunData.open(config), RunData.open(replace(config, train_stride=3))
    parts = [set(rows.tolist()) for rows in whole.rows.values()]
    assert all(parts)
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert np.array_equal(thinned.rows["train"], whole.rows["train"][::3])
    assert np.array_equal(thinned.rows["validation"], whole.rows["validation"])


def test_chosen_frames_are_in_the_fingerprint(config: DataConfig) -> None:
    whole = RunData.open(config)
    assert RunData.open(config).fingerprint == whole.fingerprint
    for part in whole.rows:
        fewer = replace(whole, rows={**whole.rows, part: whole.rows[part][:5]})
        assert fewer.fingerprint != whole.fingerprint, part
    assert replace(whole, split="S2").fingerprint != whole.fingerprint


def test_batches_are_not_in_the_fingerprint(config: DataConfig) -> None:
    other = replace(config, batch=BatchConfig(batch_size=5))
    assert RunData.open(other).fingerprint == RunData.open(config).fingerprint


def test_the_mean_pose_is_that_of_training(config: DataConfig) -> None:
    data = RunData.open(config)
    (batch,) = data.source("train", replace(config.batch, batch_size=10_000)).in_order()
    torch.testing.assert_close(data.mean_pose, batch.pose.double().mean(dim=0).float())
    assert data.provenance == "simulated data"


def test_a_process_opens_a_store_once(config: DataConfig, opened: list[str]) -> None:
    every = OpenedData()
    one = every.of(config)
    assert every.of(replace(config, batch=BatchConfig(batch_size=5))) is one
    other = every.of(replace(config, train_stride=2))
    assert other is not one
    assert other.store is one.store
    assert opened == [config.store]


def test_other_stores_are_other_data(config: DataConfig, store_path: Path, opened: list[str]) -> None:
    every = OpenedData()
    same = replace(config, store=f"{store_path}/")
    assert every.of(same) is not every.of(config)
    assert opened == [f"{store_path}/", str(store_path)]


def test_another_process_opens_its_own(config: DataConfig, opened: list[str]) -> None:
    every = OpenedData()
    every.of(config)
    sent = pickle.loads(pickle.dumps(every))
    assert opened == [config.store], "nothing is opened before it is asked for"
    assert sent.of(config).fingerprint == every.of(config).fingerprint
    assert opened == [config.store] * 2
