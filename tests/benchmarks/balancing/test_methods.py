"""The benchmark of the methods has a row for each of them and reports what it measured."""

from __future__ import annotations

import pytest

from benchmarks.balancing import methods
from benchmarks.timing import one_thread
from equipose.balancing.registry import METHODS
from equipose.models.build import ModelConfig


def test_one_row_per_registered_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "CYCLE", 2)
    with one_thread():
        rows = list(methods.measured(ModelConfig(preset="tiny"), batches=1, size=4, rounds=1, starts=1))
    assert [row.name for row in rows] == list(METHODS)
    assert all(row.step_s > 0 and row.start_s >= 0 for row in rows)
    visits = {row.name: row.visits for row in rows}
    assert visits["sample_resampling"] == 1, "an untrained model is wrong everywhere, so the limit is reached"
    assert visits["plain"] == 0


def test_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "METHODS", {name: METHODS[name] for name in ("plain", "awc", "relearning")})
    text = methods.main("mlp", "tiny", batches=1, size=4, rounds=2, starts=1)
    assert "fusion mlp, preset `tiny`, batches of 4" in text
    assert text.count("\n| ") == 4
    assert "every 20 epochs" in text
    assert "AWC outside its Fisher pass" in text


def test_steps_are_joined_to_cycles() -> None:
    seconds = (1.0,) * methods.CYCLE + (3.0,) * (methods.CYCLE // 2) + (5.0,) * (methods.CYCLE // 2)
    assert methods.step_means(seconds) == [1, 4]


def test_an_epoch_is_due_however_often_it_starts() -> None:
    """A method that has measured in this epoch would otherwise rest in the next repeat."""
    data = methods.batches_in_memory(1, 4)
    trainee = methods.Trainee("g_blending", ModelConfig(preset="tiny"), data)
    for _ in range(2):
        trainee.method.measured = None
        trainee.start_due_epoch()
        assert trainee.method.since == 10
        assert trainee.method.measured is not None
