"""The newest two checkpoints and the best; damage and kills cost an epoch, not the run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.state import Training
from equipose.pipelines.files.errors import DataError


@pytest.fixture(scope="module")
def training(small_run: TrainConfig) -> Training:
    """A run whose epochs are only pretended to end."""
    return build_training(small_run)


@pytest.fixture
def kept(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "train")


class Saver:
    """Pretends that epochs end, some of them the best so far."""

    def __init__(self, kept: CheckpointFolder, config: TrainConfig, training: Training) -> None:
        self.kept, self.config, self.training = kept, config, training
        training.history, training.best_epoch = [], -1

    def __call__(self, epochs: int, *, best: bool) -> None:
        self.training.epoch = epochs
        if best:
            self.training.best_epoch = epochs - 1
        self.training.history.append({"best/epoch": float(self.training.best_epoch)})
        self.kept.save(self.training, self.config, {})


@pytest.fixture
def save(kept: CheckpointFolder, small_run: TrainConfig, training: Training) -> Saver:
    return Saver(kept, small_run, training)


def names(kept: CheckpointFolder) -> list[str]:
    return sorted(path.name for path in kept.folder.iterdir())


def epoch_of(folder: Path) -> int:
    return int(checkpoints.load(folder)["epoch"])


def newest_epoch(kept: CheckpointFolder) -> int:
    state = kept.resume_point().state
    assert state is not None
    return int(state["epoch"])


def truncate(folder: Path, kept_bytes: int = 500) -> None:
    file = folder / checkpoints.FILE
    file.write_bytes(file.read_bytes()[:kept_bytes])


def test_two_and_the_best_are_kept(kept: CheckpointFolder, save: Saver) -> None:
    for epochs, best in enumerate((True, True, False, False), start=1):
        save(epochs, best=best)
    assert names(kept) == ["checkpoint_00002", "checkpoint_00003", "checkpoint_00004"]
    assert (epoch_of(kept.best), epoch_of(kept.newest), newest_epoch(kept)) == (2, 4, 4)


def test_the_best_of_the_checkpoint_before_is_kept_too(kept: CheckpointFolder, save: Saver) -> None:
    for epochs, best in enumerate((True, False, False, True), start=1):
        save(epochs, best=best)
    assert names(kept) == ["checkpoint_00001", "checkpoint_00003", "checkpoint_00004"]
    truncate(kept.newest)
    state = kept.resume_point().state
    assert state is not None
    assert epoch_of(kept.folder / f"checkpoint_{state['best_epoch'] + 1:05d}") == 1
    save(5, best=False)
    assert names(kept) == ["checkpoint_00004", "checkpoint_00005"]


def test_epochs_are_in_order_of_numbers(kept: CheckpointFolder, save: Saver) -> None:
    for epochs in (9, 10, 99, 100):
        save(epochs, best=epochs == 9)
    assert newest_epoch(kept) == epoch_of(kept.newest) == 100


@pytest.mark.parametrize("kept_bytes", [0, 500])
def test_a_damaged_newest_falls_back_and_says_so(
    kept: CheckpointFolder, save: Saver, kept_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    save(1, best=True)
    save(2, best=False)
    truncate(kept.newest, kept_bytes)
    with caplog.at_level(logging.WARNING):
        assert newest_epoch(kept) == 1
    (said,) = caplog.messages
    assert "checkpoint_00002" in said
    assert "continuing from the one after epoch 1" in said
    save(2, best=False)
    assert newest_epoch(kept) == 2


def test_a_folder_without_a_state_is_not_counted(kept: CheckpointFolder, save: Saver) -> None:
    save(1, best=True)
    save(2, best=False)
    (kept.newest / checkpoints.FILE).unlink()
    assert newest_epoch(kept) == 1


def test_nothing_readable_is_nothing(kept: CheckpointFolder, save: Saver) -> None:
    assert kept.resume_point().state is None
    with pytest.raises(DataError, match="no checkpoint here; train first"):
        _ = kept.newest
    save(1, best=True)
    truncate(kept.newest, 0)
    assert kept.resume_point().state is None


def test_a_half_written_file_is_never_read_and_goes(
    kept: CheckpointFolder, save: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(1, best=True)

    def killed(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        file.flush()  # type: ignore[attr-defined]
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process cleans nothing up
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            save(2, best=True)
    monkeypatch.undo()
    left = kept.folder / "checkpoint_00002"
    assert [path.read_bytes() for path in left.iterdir()] == [b"half"]
    assert newest_epoch(kept) == 1
    save(2, best=True)
    assert [path.name for path in left.iterdir()] == [checkpoints.FILE]
