"""The key of a run covers what its numbers depend on, no more and no less; its result survives the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.orchestrator.grid import run_spec
from equipose.orchestrator.grid.run_spec import RESULT, RunResult, RunSpec
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import open_store

Change = Callable[[TrainConfig], TrainConfig]


def with_data(**changes: Any) -> Change:
    return lambda config: replace(config, data=replace(config.data, **changes))


@pytest.fixture
def spec(small_run: TrainConfig) -> RunSpec:
    return RunSpec(name="awc s0", config=small_run)


def key(spec: RunSpec) -> str:
    """With the fingerprint of its data."""
    return spec.key(RunData.open(spec.config.data).fingerprint)


def test_a_key_is_short_and_fit_for_a_folder(spec: RunSpec) -> None:
    assert len(key(spec)) == 16
    assert set(key(spec)) <= set("0123456789abcdef")


def test_kept_runs_are_found_again(spec: RunSpec) -> None:
    """Seen with format 5; where it differs, all kept runs would be trained again."""
    data = replace(spec.config.data, store="anywhere")
    assert replace(spec, config=replace(spec.config, data=data)).key("0123456789abcdef") == "2ba9d103a78b1830"


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"stage": "tuning"}, {"evaluate": False}, {"select": "last"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_does_not_change_the_weights_is_not_in_the_key(spec: RunSpec, changes: dict[str, Any]) -> None:
    assert key(replace(spec, **changes)) == key(spec)


def test_where_the_frames_lie_is_not_in_the_key(spec: RunSpec, store_path: Path, tmp_path: Path) -> None:
    shutil.copytree(store_path, tmp_path / "elsewhere")
    moved = with_data(store=str(tmp_path / "elsewhere"))(spec.config)
    assert key(replace(spec, config=moved)) == key(spec)


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
def test_every_setting_is_in_the_key(spec: RunSpec, change: Change) -> None:
    assert replace(spec, config=change(spec.config)).key("the same frames") != spec.key("the same frames")


def test_workers_and_format_are_in_the_key(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(spec)
    assert key(replace(spec, workers=2)) != before
    monkeypatch.setattr(run_spec, "FORMAT", run_spec.FORMAT + 1)
    assert key(spec) != before


def test_content_of_the_frames_is_in_the_key(spec: RunSpec, store_path: Path, tmp_path: Path) -> None:
    index = open_store(store_path).index
    source = SimulatedSource(
        subjects=tuple(index["subject"].unique().sort()),
        actions=tuple(index["action"].unique().sort()),
        config=SimulatorConfig(frames=12, seed=4),  # small_store has seed 3
    )
    other = prepare("simulated", source, tmp_path / "store")
    same = ["subject", "action", "row"]
    assert other.index.select(same).equals(index.select(same)), "only the content differs"
    config = with_data(store=str(other.path))(spec.config)
    assert key(replace(spec, config=config)) != key(spec)


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
        lambda text: text.replace(f'"format": {run_spec.FORMAT}', '"format": 99'),
        lambda text: text.replace('"epochs": 3', '"epochs": 0'),
    ],
)
def test_a_damaged_result_is_named(result: RunResult, damage: Callable[[str], str]) -> None:
    result.save()
    path = result.folder / RESULT
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=rf"{RESULT}: not the result of a run .*; delete the folder"):
        RunResult.load(result.folder)


def test_bytes_that_are_no_text_are_damage(result: RunResult) -> None:
    (result.folder / RESULT).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="delete the folder"):
        RunResult.load(result.folder)
