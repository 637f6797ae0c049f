"""A cell's name stands for what its numbers depend on, no more and no less; its result survives the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.orchestrator.grid import run_spec as cells
from equipose.orchestrator.grid.run_spec import RESULT, RunResult, RunSpec
from equipose.orchestrator.training import data as run_data
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig

Change = Callable[[TrainConfig], TrainConfig]


def with_data(**changes: Any) -> Change:
    return lambda config: replace(config, data=replace(config.data, **changes))


@pytest.fixture
def cell(small_run: TrainConfig) -> RunSpec:
    return RunSpec(name="awc s0", config=small_run)


def test_a_name_is_short_and_fit_for_a_folder(cell: RunSpec) -> None:
    assert len(cell.key) == 16
    assert set(cell.key) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"stage": "tuning"}, {"evaluate": False}, {"select": "last"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_does_not_change_the_weights_is_not_in_the_key(cell: RunSpec, changes: dict[str, Any]) -> None:
    assert replace(cell, **changes).key == cell.key


def test_where_the_frames_lie_is_not_in_the_key(cell: RunSpec, store_path: Path, tmp_path: Path) -> None:
    shutil.copytree(store_path, tmp_path / "elsewhere")
    moved = with_data(store=str(tmp_path / "elsewhere"))(cell.config)
    assert replace(cell, config=moved).key == cell.key


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, seed=1),
        lambda c: replace(c, epochs=4),
        lambda c: replace(c, dtype="float64"),
        lambda c: replace(c, value_function="negative_mpjpe"),
        lambda c: replace(c, method=Plain.Config()),
        lambda c: replace(c, method=AWC.Config(window=1)),
        lambda c: replace(c, optimizer=replace(c.optimizer, lr=2e-3)),
        lambda c: replace(c, model=replace(c.model, fusion="mlp")),
        lambda c: replace(c, model=replace(c.model, dropout=0.2)),
        with_data(train_stride=2),
        with_data(split="S2"),
        lambda c: with_data(batch=replace(c.data.batch, batch_size=12))(c),
    ],
)
def test_every_setting_is_in_the_key(cell: RunSpec, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_fingerprint", lambda *_: "the same frames")
    assert replace(cell, config=change(cell.config)).key != cell.key


def test_workers_and_format_are_in_the_key(cell: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cell.key
    assert replace(cell, workers=2).key != before
    monkeypatch.setattr(cells, "FORMAT", cells.FORMAT + 1)
    assert cell.key != before


def test_content_of_the_frames_is_in_the_key(cell: RunSpec, store_path: Path, tmp_path: Path) -> None:
    index = run_data.open_store(store_path).index
    source = SimulatedSource(
        subjects=tuple(index["subject"].unique().sort()),
        actions=tuple(index["action"].unique().sort()),
        config=SimulatorConfig(frames=12, seed=4),  # small_store has seed 3
    )
    other = prepare("simulated", source, tmp_path / "store")
    same = ["subject", "action", "row"]
    assert other.index.select(same).equals(index.select(same)), "only the content differs"
    config = with_data(store=str(other.path))(cell.config)
    assert replace(cell, config=config).key != cell.key


def test_chosen_frames_are_in_the_fingerprint(cell: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    store = run_data.open_store(cell.config.data.store)
    whole = run_data.fingerprint(store, cell.config.data)

    def fewer(index: pl.DataFrame, protocol: str, split: str) -> dict[str, pl.Series]:
        return dict.fromkeys(("train", "validation", "test"), index["row"][:5])

    monkeypatch.setattr(run_data, "select", fewer)
    assert run_data.fingerprint(store, cell.config.data) != whole


def epoch(number: int, best: int, mm: float, **more: float) -> dict[str, float]:
    times = {"time/train_s": 3.0 + number, "time/validation_s": 1.0, "time/shapley_s": 0.5}
    best_of = {"best/epoch": float(best), "best/mpjpe_mm": mm}
    return {**times, **best_of, "memory/peak_mib": 100.0 + number % 2, **more}


@pytest.fixture
def result(small_run: TrainConfig, tmp_path: Path) -> RunResult:
    history = (epoch(0, 0, 90.0), epoch(1, 1, 80.0, extra=7.0), epoch(2, 1, 80.0))
    return RunResult(
        key="0123456789abcdef",
        config=small_run,
        fingerprint="f",
        provenance="simulated data",
        parameters=1234,
        history=history,
        folder=tmp_path,
    )


def test_a_result_comes_back_as_it_was(result: RunResult) -> None:
    assert RunResult.load(result.folder) is None
    result.save()
    assert RunResult.load(result.folder) == result
    assert [path.name for path in result.folder.iterdir()] == [RESULT]


def test_numbers_of_a_result(result: RunResult) -> None:
    assert result.best is result.history[1]
    assert result.validation_mm == 80.0
    assert result.series("extra")[1] == 7.0
    assert [value == value for value in result.series("extra")] == [False, True, False]
    assert result.costs() == {
        "parameters": 1234.0,
        "epoch_s": 4.0 + 1.0,  # the median of 3, 4, 5 and the validation
        "shapley_share": 0.1,
        "peak_memory_mib": 101.0,
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: text.replace('"parameters"', '"perimeters"'),
        lambda text: text.replace('"history"', '"mystery"'),
        lambda text: text.replace('"awc"', '"magic"'),
        lambda text: text.replace(f'"format": {cells.FORMAT}', '"format": 99'),
        lambda text: text.replace('"epochs": 3', '"epochs": 0'),
    ],
)
def test_a_damaged_result_is_named(result: RunResult, damage: Callable[[str], str]) -> None:
    result.save()
    path = result.folder / RESULT
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=rf"{RESULT}: not a cell's result .*; delete the folder"):
        RunResult.load(result.folder)


def test_bytes_that_are_no_text_are_damage(result: RunResult) -> None:
    (result.folder / RESULT).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="delete the folder"):
        RunResult.load(result.folder)
