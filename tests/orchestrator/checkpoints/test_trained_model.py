"""A model from its checkpoint alone: no store, no code, one line for what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import equipose
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.find import find_checkpoint
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store import Store


def rewritten(run: Path, folder: Path, change: Any) -> Path:
    """A copy of a run's best checkpoint, with its state changed in place by `change`."""
    state = torch.load(find_checkpoint(run) / checkpoints.FILE, weights_only=True)
    change(state)
    torch.save(state, folder / checkpoints.FILE)
    return folder


def test_no_store_is_needed(trained_run: Path, tmp_path: Path) -> None:
    def moved(state: dict[str, Any]) -> None:
        state["config"]["data"]["store"] = str(tmp_path / "gone")

    trained = equipose.load_model(rewritten(trained_run, tmp_path, moved))
    assert trained.sensors == ("rgb", "lidar", "mmwave", "wifi")
    assert not trained.model.training
    assert trained.units["pose"] == "m"
    assert set(trained.units) == {*trained.sensors, "pose"}
    with pytest.raises(DataError, match="gone: store is missing"):
        trained.open_store()


def test_normalisation_is_that_of_the_training_part(trained_run: Path) -> None:
    trained = load_model(trained_run)
    expected = RunData.open(trained.config.data).input_statistics(trained.config.data.batch)
    assert set(trained.normalisation) == set(expected)
    for name, mine in trained.normalisation.items():
        assert mine.centre == pytest.approx(expected[name].centre, rel=1e-6)
        assert mine.scale == pytest.approx(expected[name].scale, rel=1e-6)


def test_batches_come_from_the_store_that_is_given(trained_run: Path, small_store: Store) -> None:
    trained = load_model(trained_run)
    rows = small_store.index["row"].to_numpy()[:5]
    for store in (small_store, small_store.path, None):
        (batch,) = trained.batches(rows, store).in_order()
        assert batch.index.tolist() == rows.tolist()


def test_a_run_means_its_best_checkpoint(trained_run: Path, tmp_path: Path) -> None:
    kept = CheckpointFolder(trained_run)
    assert find_checkpoint(trained_run) == kept.best
    assert find_checkpoint(kept.newest) == kept.newest
    assert find_checkpoint(kept.newest / checkpoints.FILE) == kept.newest
    shutil.copytree(kept.newest, tmp_path / "run" / "best")
    assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "best"


def test_names_of_folders_do_not_tell_the_best(trained_run: Path, tmp_path: Path) -> None:
    """Ray Train names them by the time of day."""
    kept = CheckpointFolder(trained_run)
    for place, folder in enumerate(sorted(trained_run.glob("checkpoint_*"), reverse=True)):
        shutil.copytree(folder, tmp_path / f"checkpoint_{place}")
    found, best = (checkpoints.load(path)["epoch"] for path in (find_checkpoint(tmp_path), kept.best))
    assert found == best


def test_a_best_checkpoint_that_is_gone_is_named(trained_run: Path, tmp_path: Path) -> None:
    def older(state: dict[str, Any]) -> None:
        state["best_epoch"] = state["epoch"] + 5

    (tmp_path / "checkpoint_1").mkdir()
    rewritten(trained_run, tmp_path / "checkpoint_1", older)
    with pytest.raises(DataError, match=r"its best checkpoint, that after epoch .* is gone or damaged"):
        find_checkpoint(tmp_path)
    (tmp_path / "checkpoint_1" / checkpoints.FILE).write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match="all its 1 checkpoints are damaged"):
        find_checkpoint(tmp_path)


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(DataError, match=r"model\.pkl: not a checkpoint"):
        load_model(tmp_path / "model.pkl")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="no checkpoint here; give the folder of a run"):
            load_model(path)


def first_weight(state: dict[str, Any], change: Any) -> None:
    name = next(name for name in state["model"] if name.startswith("head"))
    state["model"][name] = change(state["model"][name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: first_weight(s, lambda w: w[:1]), "weights are not those of its settings"),
        (lambda s: s["model"].clear(), "weights are not those of its settings"),
        (lambda s: s["model"].update(extra=torch.zeros(1)), "weights are not those of its settings"),
        (lambda s: s["model"].update(dict.fromkeys(s["model"], 1.0)), "weights are not those"),
        (lambda s: s["config"].pop("model"), "settings are not understood"),
        (lambda s: s["config"]["model"].update(speed=3), "settings are not understood.*no field"),
        (lambda s: s["config"]["method"].update(name="magic"), "settings are not understood.*magic"),
        (lambda s: s["config"]["model"].update(modalities=["sonar"]), "settings are not understood.*sonar"),
        (lambda s: s["config"].update(data=7), "settings are not understood"),
    ],
)
def test_foreign_checkpoints_are_one_line(
    trained_run: Path, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        load_model(rewritten(trained_run, tmp_path, change))
    assert str(tmp_path / checkpoints.FILE) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
