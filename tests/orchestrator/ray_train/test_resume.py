"""What a run on Ray Train resumes from when its newest checkpoint or the list of all is damaged."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray.train
import torch

from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.state import FILE
from equipose.orchestrator.ray_train.resume import find_state, readable
from equipose.orchestrator.ray_train.run_folder import LIST, SCRATCH, tidy
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.state import Training


@pytest.fixture(scope="module")
def trained(small_run: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A checkpoint after each of two epochs."""
    training = build_training(small_run)
    folders = []
    for result in fit(training):
        if result.epoch == 2:
            break
        folders.append(tmp_path_factory.mktemp(f"epoch-{training.epoch}"))
        checkpoints.save(training, small_run, folders[-1], {})
    return folders


@pytest.fixture
def run(trained: list[Path], tmp_path: Path) -> Path:
    """The folder of a run as Ray Train leaves it; the clock was set back: the newest has the older name."""
    for name, source in zip(("checkpoint_2026-01-02", "checkpoint_2026-01-01"), trained, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_bytes((source / FILE).read_bytes())
    results = [{"checkpoint_dir_name": path.name, "metrics": {}} for path in tmp_path.iterdir()]
    (tmp_path / LIST).write_text(json.dumps({"checkpoint_results": results}))
    return tmp_path


def newest(run: Path) -> ray.train.Checkpoint:
    return ray.train.Checkpoint(str(run / "checkpoint_2026-01-01"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change one bit of a weight, which torch does not notice."""
    with zipfile.ZipFile(path) as archive:
        weights = [record for record in archive.infolist() if "/data/" in record.filename]
    largest = max(weights, key=lambda record: record.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2 + 256] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)


DAMAGES = pytest.mark.parametrize("damage", [truncate, flip, Path.unlink, lambda path: path.write_bytes(b"")])


def test_a_readable_newest_is_taken_without_notes(run: Path) -> None:
    found = find_state(newest(run), run)
    assert found.state is not None
    assert (found.state["epoch"], found.notes, found.unlisted) == (2, (), ())


@DAMAGES
def test_a_damaged_newest_one_falls_back_to_the_one_before(run: Path, damage: Callable[[Path], Any]) -> None:
    damage(Path(newest(run).path) / FILE)
    found = find_state(newest(run), run)
    assert found.state is not None
    assert found.state["epoch"] == 1
    (note,) = found.notes
    assert "checkpoint_2026-01-01" in note
    assert "continuing from the one after epoch 1" in note


def test_with_all_damaged_it_starts_again_and_says_so(run: Path) -> None:
    for path in run.glob(f"*/{FILE}"):
        truncate(path)
    found = find_state(newest(run), run)
    assert found.state is None
    assert len(found.notes) == 2
    assert all("starting again from epoch 0" in note for note in found.notes)


@pytest.mark.parametrize("content", ["", '{"checkpoint_results": [{"checkpo', "[]", '{"a": 1}'])
def test_half_a_list_is_dropped_and_its_checkpoints_found_by_epoch(run: Path, content: str) -> None:
    (run / LIST).write_text(content)
    tidy(run)
    assert not (run / LIST).exists()
    found = find_state(None, run)
    assert found.state is not None
    assert found.state["epoch"] == 2
    assert [path.name for path in found.unlisted] == ["checkpoint_2026-01-02", "checkpoint_2026-01-01"]


def test_a_list_that_names_what_is_gone_is_dropped(run: Path) -> None:
    (run / "checkpoint_2026-01-01" / FILE).unlink()
    (run / "checkpoint_2026-01-01").rmdir()
    tidy(run)
    assert not (run / LIST).exists()


def test_what_a_kill_left_half_done_is_removed(run: Path) -> None:
    kept = {path.name for path in run.iterdir()}
    (run / f"{SCRATCH}x7").mkdir()
    (run / f"{SCRATCH}x7" / FILE).write_text("half")
    (run / "checkpoint_2026-01-03").mkdir()
    tidy(run)
    assert {path.name for path in run.iterdir()} == kept


def test_a_new_run_has_nothing_to_resume_from(tmp_path: Path) -> None:
    tidy(tmp_path)
    assert find_state(None, tmp_path).state is None
    assert find_state(None, None).state is None


def test_of_equally_good_checkpoints_the_readable_one(run: Path) -> None:
    good, bad = run / "checkpoint_2026-01-02", run / "checkpoint_2026-01-01"
    truncate(bad / FILE)
    assert readable([bad, good]) == good
    assert readable([bad]) == bad, "with no other, its reader reports the damage"


def test_the_states_equal_those_of_the_run(run: Path, small_run: TrainConfig) -> None:
    truncate(Path(newest(run).path) / FILE)
    found = find_state(newest(run), run)
    assert found.state is not None
    resumed, undisturbed = build_training(small_run), build_training(small_run)
    checkpoints.restore(resumed, found.state, small_run)
    assert numbers(resumed) == numbers(undisturbed)


def numbers(training: Training) -> list[dict[str, float]]:
    """Of all epochs, those trained before included, without timings."""
    for _ in fit(training):
        pass
    return [
        {key: value for key, value in epoch.items() if not key.startswith(("time/", "memory/"))}
        for epoch in training.history
    ]
