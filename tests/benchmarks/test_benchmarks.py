"""Every benchmark can be called by name, and timing is fair."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.timing import compare, markdown

FOLDER = Path(benchmarks.__file__).parent
REACHED_BY_FOLDER = {"load": "load.trials"}
"""Modules that only pass on the `main` of another one."""


def has_main(path: Path) -> bool:
    """Whether a file defines `main() -> str`."""
    body = ast.parse(path.read_text()).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    return "main" in functions and ast.unparse(functions["main"].returns or ast.Constant(0)) == "str"


def module_of(path: Path) -> str:
    """Such as `models.alignment`."""
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_benchmark_has_a_name() -> None:
    found = {module_of(path) for path in FOLDER.rglob("*.py") if has_main(path)}
    assert found == {REACHED_BY_FOLDER.get(module, module) for module in BENCHMARKS.values()}
    for module in BENCHMARKS.values():
        assert callable(importlib.import_module(f"benchmarks.{module}").main), module


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
