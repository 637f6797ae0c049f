"""Checkpoints are whole or refused, and are never a way to run code."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model, predict
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.files.errors import DataError


@pytest.fixture(scope="module")
def config(store_path: Path) -> TrainConfig:
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    return TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch), model=ModelConfig(preset="tiny"), epochs=1
    )


@pytest.fixture(scope="module")
def saved(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(folder of a checkpoint, validation error in mm that its run reported)."""
    folder = tmp_path_factory.mktemp("checkpoint")
    training = build_training(config)
    (result,) = fit(training)
    checkpoints.save(training, config, folder, {"fingerprint": "f", "provenance": "simulated data"})
    return folder, result.validation.mpjpe_mm


def test_nothing_partial_is_left(saved: tuple[Path, Any]) -> None:
    assert [path.name for path in saved[0].iterdir()] == [checkpoints.FILE]


def test_state_holds_what_a_run_needs(saved: tuple[Path, Any]) -> None:
    state = checkpoints.load(saved[0])
    assert state["extra"] == {"fingerprint": "f", "provenance": "simulated data"}
    assert (state["epoch"], state["best_epoch"]) == (1, 0)
    assert state["history"][-1]["val/mpjpe_mm"] == state["best_mpjpe_mm"] == saved[1]


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no checkpoint here; give the folder"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 0.5, 0.99])
def test_damaged(saved: tuple[Path, Any], tmp_path: Path, keep: float) -> None:
    whole = (saved[0] / checkpoints.FILE).read_bytes()
    size = int(keep * len(whole)) if isinstance(keep, float) else keep
    (tmp_path / checkpoints.FILE).write_bytes(whole[:size])
    with pytest.raises(DataError, match="damaged"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize("content", [{"format": 1}, {}, [1, 2]])
def test_other_format(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / checkpoints.FILE)
    with pytest.raises(DataError, match=f"checkpoint format .*, expected {checkpoints.FORMAT}"):
        checkpoints.load(tmp_path)


class Trap:
    """Runs a command when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch trapped",)


def test_code_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": checkpoints.FORMAT, "trap": Trap()}, tmp_path / checkpoints.FILE)
    with pytest.raises(DataError, match="damaged"):
        checkpoints.load(tmp_path)
    assert not (tmp_path / "trapped").exists()


def test_predictions_are_those_of_the_run(saved: tuple[Path, Any], config: TrainConfig) -> None:
    folder, mpjpe_mm = saved
    rows = RunData.open(config.data).rows["validation"]
    truth, predicted = predict(folder, rows)
    assert truth.shape == predicted.shape == (len(rows), 17, 3)
    error = np.linalg.norm(predicted - truth, axis=-1).mean() * 1000
    assert error == pytest.approx(mpjpe_mm, rel=1e-5)


def test_trained_model_knows_where_it_comes_from(saved: tuple[Path, Any], config: TrainConfig) -> None:
    trained = load_model(saved[0])
    assert trained.config == config
    assert trained.open_store().fingerprint == RunData.open(config.data).store.fingerprint
    assert trained.extra["fingerprint"] == "f"


def test_double_precision_comes_back(config: TrainConfig, tmp_path: Path) -> None:
    from dataclasses import replace

    double = replace(config, dtype="float64")
    checkpoints.save(build_training(double), double, tmp_path, {})
    assert {p.dtype for p in load_model(tmp_path).model.parameters()} == {torch.float64}


def rewritten(saved: tuple[Path, Any], folder: Path, **changes: Any) -> Path:
    state = torch.load(saved[0] / checkpoints.FILE, weights_only=True) | changes
    torch.save({k: v for k, v in state.items() if v is not None}, folder / checkpoints.FILE)
    return folder


def test_compressed_and_old_formats_are_refused_unread(
    saved: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints.torch, "load", lambda *_, **__: pytest.fail("torch was asked"))
    path = tmp_path / checkpoints.FILE
    with zipfile.ZipFile(saved[0] / checkpoints.FILE) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="it is compressed"):
        checkpoints.load(tmp_path)
    torch.save({"format": checkpoints.FORMAT}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="not a zip file"):
        checkpoints.load(tmp_path)
    path.write_bytes(b"junk" + (saved[0] / checkpoints.FILE).read_bytes())
    with pytest.raises(DataError, match="does not start"):
        checkpoints.load(tmp_path)


def shared_lists(levels: int) -> list[Any]:
    """A few bytes on disk, 2^levels values when written out."""
    item: list[Any] = [0, 0]
    for _ in range(levels):
        item = [item, item]
    return item


def nested(levels: int) -> list[Any]:
    item: list[Any] = []
    for _ in range(levels):
        item = [item]
    return item


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": {"x": shared_lists(30)}}, "more than 1000000 values"),
        ({"method": {"x": nested(60)}}, "nests more than 40 levels"),
        ({"model": None}, "model is NoneType, expected dict"),
        ({"epoch": "1"}, "epoch is str, expected int"),
        ({"epoch": -1}, "epoch is invalid"),
        ({"history": [1]}, "epoch is invalid"),
    ],
)
def test_states_that_are_not_what_they_seem_are_refused(
    saved: tuple[Path, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        checkpoints.load(rewritten(saved, tmp_path, **changes))
