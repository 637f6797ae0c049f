"""A run's name belongs to its settings."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import pytest

from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.jobs import session
from equipose.orchestrator.ray_train.job import run_train_job
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig


class Started(Exception):
    """The job has got as far as its server."""


@pytest.fixture
def config(store_path: Path) -> TrainConfig:
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    return TrainConfig(
        data=DataConfig(store=str(store_path), batch=batch), model=ModelConfig(preset="tiny"), epochs=1
    )


@pytest.fixture
def out(config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with a run called `mine`; no server ever starts."""
    folder = tmp_path / "train" / "mine" / "checkpoint_2026"
    folder.mkdir(parents=True)
    checkpoints.save(build_training(config), config, folder, {})

    def refuse(directory: Path, **options: object) -> None:
        raise Started

    monkeypatch.setattr(session, "tracking_server", refuse)
    return tmp_path


def test_other_settings_need_another_name(out: Path, config: TrainConfig) -> None:
    other = replace(config, seed=1, value_function="negative_mpjpe")
    with pytest.raises(ValueError, match=r"\['seed', 'value_function'\]; give this one another --name"):
        run_train_job(other, name="mine", out=out, dataset="simulated", resources=Resources())
    with pytest.raises(Started):
        run_train_job(other, name="another", out=out, dataset="simulated", resources=Resources())


@pytest.mark.parametrize("epochs", [1, 5])
def test_the_same_settings_and_more_epochs_go_on(out: Path, config: TrainConfig, epochs: int) -> None:
    with pytest.raises(Started):
        run_train_job(
            replace(config, epochs=epochs), name="mine", out=out, dataset="simulated", resources=Resources()
        )


def test_a_run_that_another_process_trains_is_refused(out: Path, config: TrainConfig) -> None:
    with (out / "train" / "mine" / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="mine is being trained by another process; wait for it"):
            run_train_job(config, name="mine", out=out, dataset="simulated", resources=Resources())


def test_a_damaged_checkpoint_is_passed_over_and_named(
    out: Path, config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    newest = out / "train" / "mine" / "checkpoint_2027"
    newest.mkdir()
    (newest / checkpoints.FILE).write_bytes(b"PK")
    with pytest.raises(Started):
        run_train_job(config, name="mine", out=out, dataset="simulated", resources=Resources())
    assert "checkpoint_2027" in caplog.text
    assert "the one before it" in caplog.text
    with pytest.raises(ValueError, match=r"\['seed'\]; give this one another --name"):
        run_train_job(
            replace(config, seed=1), name="mine", out=out, dataset="simulated", resources=Resources()
        )
