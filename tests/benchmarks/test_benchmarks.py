"""Every benchmark can be called by name, and timing is fair."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest

from benchmarks.__main__ import main, names
from benchmarks.timing import compare, markdown


def test_every_module_is_a_benchmark() -> None:
    known = {"alignment", "awc", "fisher", "loader", "methods", "models", "shapley", "simulator"}
    assert known <= set(names())
    for name in names():
        assert callable(importlib.import_module(f"benchmarks.{name}").main), name


def test_unknown_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "weather"])
    with pytest.raises(SystemExit, match=r"unknown benchmark \['weather'\]; known: \['alignment', 'awc'"):
        main()


def test_rounds_interleave_and_ratios_are_taken_round_by_round() -> None:
    now, calls = 0.0, []

    def candidate(name: str, seconds: list[float]) -> Callable[[], None]:
        def run() -> None:
            nonlocal now
            calls.append(name)
            now += seconds[(len(calls) - 1) // 2]

        return run

    slow, fast = compare(
        {"slow": candidate("slow", [9, 4, 40, 8]), "fast": candidate("fast", [9, 2, 10, 2])},
        rounds=3,
        clock=lambda: now,
    )
    assert calls == ["slow", "fast"] * 4
    assert slow.seconds == (4, 40, 8)
    assert fast.seconds == (2, 10, 2)
    assert (slow.median, fast.median, fast.ratio) == (8, 2, 4)
    assert "| fast | 2 s | 2 s | 10 s | 4.00x |" in markdown("", [slow, fast])
