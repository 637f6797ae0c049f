"""The newest two checkpoints and the best; damage and death in between cost an epoch, not the run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.loop import EpochResult, Training, fit
from equipose.pipelines.files.errors import DataError


@pytest.fixture(scope="module")
def training(small_run: TrainConfig) -> tuple[Training, EpochResult]:
    """A run after an epoch; the folder only looks at its number and at `is_best`."""
    built, _ = build_training(small_run)
    return built, next(fit(built))


@pytest.fixture
def kept(training: tuple[Training, EpochResult], tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "train")


class Saver:
    """Pretends that epochs end, some of them the best so far."""

    def __init__(self, kept: CheckpointFolder, config: TrainConfig, training: Training, result: EpochResult):
        self.kept, self.config, self.training, self.result = kept, config, training, result

    def __call__(self, epochs: int, *, best: bool) -> None:
        self.training.epoch = epochs
        object.__setattr__(self.result, "is_best", best)
        self.kept.save(self.training, self.config, {}, self.result)


@pytest.fixture
def save(kept: CheckpointFolder, small_run: TrainConfig, training: tuple[Training, EpochResult]) -> Saver:
    return Saver(kept, small_run, *training)


def names(kept: CheckpointFolder) -> list[str]:
    return sorted(path.name for path in kept.folder.iterdir())


def epoch_of(folder: Path) -> int:
    return int(checkpoints.load(folder)["epoch"])


def newest_epoch(kept: CheckpointFolder) -> int:
    state = kept.load_newest()
    assert state is not None
    return int(state["epoch"])


def test_two_and_the_best_are_kept(kept: CheckpointFolder, save: Saver) -> None:
    for epochs, best in enumerate((True, True, False, False), start=1):
        save(epochs, best=best)
    assert names(kept) == ["best", "epoch-00003", "epoch-00004"]
    assert (epoch_of(kept.best), epoch_of(kept.newest), newest_epoch(kept)) == (2, 4, 4)


def test_epochs_are_in_order_of_numbers(kept: CheckpointFolder, save: Saver) -> None:
    for epochs in (9, 10, 99, 100):
        save(epochs, best=False)
    assert newest_epoch(kept) == 100


@pytest.mark.parametrize("kept_bytes", [0, 500])
def test_a_damaged_newest_falls_back_and_says_so(
    kept: CheckpointFolder, save: Saver, kept_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    save(1, best=True)
    save(2, best=False)
    file = kept.newest / checkpoints.FILE
    file.write_bytes(file.read_bytes()[:kept_bytes])
    with caplog.at_level(logging.WARNING):
        assert newest_epoch(kept) == 1
    (said,) = caplog.messages
    assert "epoch-00002" in said
    assert "going on from the checkpoint before it" in said
    save(2, best=False)
    assert newest_epoch(kept) == 2


def test_a_folder_that_was_only_made_is_passed_over(kept: CheckpointFolder, save: Saver) -> None:
    save(1, best=True)
    save(2, best=False)
    (kept.newest / checkpoints.FILE).unlink()
    assert newest_epoch(kept) == 1


def test_nothing_readable_is_nothing(kept: CheckpointFolder, save: Saver) -> None:
    assert kept.load_newest() is None
    with pytest.raises(DataError, match="no checkpoint here; train first"):
        _ = kept.newest
    save(1, best=True)
    (kept.newest / checkpoints.FILE).write_bytes(b"")
    assert kept.load_newest() is None


def test_death_between_best_and_epoch_is_harmless(
    kept: CheckpointFolder, save: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(1, best=True)
    writing = kept._write

    def die_at_the_second(path: Path, *rest: object) -> None:
        if path.name != "best":
            raise KeyboardInterrupt
        writing(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "_write", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        save(2, best=True)
    monkeypatch.undo()
    assert newest_epoch(kept) == 1, "the epoch is trained again"
    assert epoch_of(kept.best) == 2, "and will find the best that is there already"
    save(2, best=True)
    assert (epoch_of(kept.best), newest_epoch(kept)) == (2, 2)


def test_a_half_written_file_is_never_read(
    kept: CheckpointFolder, save: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(1, best=False)

    def dies(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        save(2, best=True)
    monkeypatch.undo()
    assert newest_epoch(kept) == 1
    assert not (kept.best / checkpoints.FILE).exists()
