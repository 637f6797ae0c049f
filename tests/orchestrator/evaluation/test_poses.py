"""Predicted poses and their doubt, against a plain recomputation frame by frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from numpy.testing import assert_allclose

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.models.skeleton import JOINTS
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.evaluation import poses as module
from equipose.orchestrator.evaluation.poses import doubt_mm, known_errors, predicted_poses, write_poses
from equipose.pipelines.store import Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


def altered(small_store: Store, folder: Path, gone: dict[str, slice], sensors: tuple[str, ...]) -> Store:
    """The first recording of a store with some frames of some signals invalid, and these sensors only."""
    signals = StoredSignals.of(sensors)
    sequence = small_store.sequence(0)
    valid = {name: sequence.valid[name].copy() for name in signals.names}
    arrays = {name: sequence.signals[name] for name in signals.names}
    for name, frames in gone.items():
        valid[name][frames] = False
        if name in ("rgb", "wifi", "pose"):
            arrays[name] = arrays[name].copy()
            arrays[name][frames] = 0
    writer = StoreWriter(folder, StoreHeader(source="test", signals=signals))
    provenance = {name: sequence.provenance[name] for name in signals.names}
    writer.write(replace(sequence, valid=valid, signals=arrays, provenance=provenance, defects=()))
    return writer.finish()


def by_hand(trained: TrainedModel, store: Store, row: int, used: tuple[str, ...]) -> tuple[np.ndarray, float]:
    """(pose, doubt in mm) of one frame, from one whole forward pass per subset of its sensors."""
    (batch,) = trained.batches(np.array([row]), store).in_order()
    have = [m for m, name in enumerate(trained.sensors) if name in used and bool(batch.present[0, m])]

    def pose(members: list[int]) -> np.ndarray:
        present = torch.zeros(1, len(trained.sensors), dtype=torch.bool)
        present[0, members] = True
        with torch.no_grad():
            return trained.model(replace(batch, present=present)).pose[0].double().numpy()

    subsets = [[m for i, m in enumerate(have) if code >> i & 1] for code in range(1, 1 << len(have))]
    found = np.array([pose(members) for members in subsets])
    apart = ((found - found.mean(axis=0)) ** 2).sum(axis=-1).mean(axis=0)
    return pose(have), float(1000 * np.sqrt(apart).mean())


@pytest.mark.parametrize("used", [DEFAULT_SENSORS, ("rgb", "mmwave")])
def test_poses_and_doubts_are_those_of_whole_passes(
    trained: TrainedModel, small_store: Store, used: tuple[str, ...]
) -> None:
    rows = np.array([7, 3, 150])
    table = predicted_poses(trained, small_store, rows, sensors=used)
    assert table.columns == ["environment", "subject", "action", "number", "sensors", "doubt_mm", "pose"]
    assert table.select("environment", "subject", "action", "number").equals(
        small_store.index[rows].select("environment", "subject", "action", "number")
    )
    assert set(table["sensors"]) == {"RLMW" if len(used) == 4 else "RM"}
    for place, row in enumerate(rows):
        pose, doubt = by_hand(trained, small_store, int(row), used)
        assert_allclose(table["pose"].to_numpy()[place], pose, atol=1e-5)
        assert table["doubt_mm"][place] == pytest.approx(doubt, rel=1e-4)


def test_frames_without_some_sensor_or_any(trained: TrainedModel, small_store: Store, tmp_path: Path) -> None:
    gone = {"wifi": slice(0, 4), "rgb": slice(2, 4), "pose": slice(1, 6)}
    store = altered(small_store, tmp_path / "store", gone, DEFAULT_SENSORS)
    rows = store.index["row"].to_numpy()
    table = predicted_poses(trained, store, rows, sensors=("rgb", "wifi"))
    assert table["sensors"].to_list() == ["R", "R", "none", "none", *["RW"] * 8]
    assert table["doubt_mm"].is_null().to_list() == [True] * 4 + [False] * 8
    assert np.isfinite(table["pose"].to_numpy()).all()
    errors, _ = known_errors(table, store, rows)
    assert len(errors) == 7
    truth = small_store.sequence(0).pose[6:]
    expected = 1000 * np.linalg.norm(table["pose"].to_numpy()[6:] - truth, axis=-1).mean(axis=-1)
    assert_allclose(errors["mpjpe_mm"].to_numpy()[1:], expected, rtol=1e-5)


def test_a_store_with_two_sensors_gives_the_same_poses(
    trained: TrainedModel, small_store: Store, tmp_path: Path
) -> None:
    few = altered(small_store, tmp_path / "few", {}, ("rgb", "lidar"))
    rows = few.index["row"].to_numpy()
    assert few.signals.sensors == ("rgb", "lidar")
    mine = predicted_poses(trained, few, rows, sensors=("rgb", "lidar"))
    assert mine.equals(predicted_poses(trained, small_store, rows, sensors=("rgb", "lidar")))


def test_doubt_counts_each_subset_of_the_sensors_that_are_there_once() -> None:
    codes = torch.arange(8)
    poses = torch.randn(8, 3, 17, 3, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])
    found = doubt_mm(poses, codes, present)
    for frame, counted in ((0, range(1, 8)), (1, (1, 4, 5))):
        mine = poses[list(counted), frame].double()
        apart = (mine - mine.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt().mean()
        assert float(found[frame]) == pytest.approx(1000 * float(apart))
    assert found[2].isnan()


def test_the_file_says_what_is_in_it(trained: TrainedModel, small_store: Store, tmp_path: Path) -> None:
    table = predicted_poses(trained, small_store, np.arange(20), sensors=DEFAULT_SENSORS)
    path = tmp_path / "poses.parquet"
    write_poses(table, path, {"provenance": "simulated data"})
    read = pl.read_parquet(path)
    assert read.equals(table)
    assert read["pose"].to_numpy().shape == (20, 17, 3)
    facts = json.loads(pq.read_schema(path).metadata[b"equipose"])
    assert facts["provenance"] == "simulated data"
    assert facts["joints"] == list(JOINTS)
    assert facts["unit of pose"] == "m"


def test_an_interrupted_write_leaves_the_old_file(
    trained: TrainedModel, small_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = predicted_poses(trained, small_store, np.arange(4), sensors=DEFAULT_SENSORS)
    path = tmp_path / "poses.parquet"
    write_poses(table, path, {})

    def full(_: object, stream: object, **__: object) -> None:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left on device")

    monkeypatch.setattr(module.pq, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        write_poses(table.head(1), path, {})
    assert pl.read_parquet(path).equals(table)
    assert [file.name for file in tmp_path.iterdir()] == ["poses.parquet"]


def test_a_diverged_model_is_refused(trained_run: Path, small_store: Store) -> None:
    broken = load_model(trained_run)
    broken.model.head.linear.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="predicts NaN or infinity"):
        predicted_poses(broken, small_store, np.arange(2), sensors=("rgb",))


def test_without_true_poses_there_is_no_error(
    trained: TrainedModel, small_store: Store, tmp_path: Path
) -> None:
    store = altered(small_store, tmp_path / "store", {"pose": slice(0, 12)}, DEFAULT_SENSORS)
    rows = store.index["row"].to_numpy()
    errors, correlation = known_errors(predicted_poses(trained, store, rows, sensors=("rgb",)), store, rows)
    assert errors.is_empty()
    assert np.isnan(correlation)
