"""The benchmark of start-up times what exists, and processes that pass work on import little."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import startup
from equipose.experiments.cli import COMMANDS


def test_every_verb_and_every_kind_of_process_is_timed() -> None:
    timed = startup.processes()
    assert {f"`equipose {verb} --help`" for verb in COMMANDS} <= timed.keys()
    assert sum(name.startswith(tuple(startup.IMPORTED)) for name in timed) == len(startup.IMPORTED)


def test_a_process_that_fails_is_no_measurement() -> None:
    assert startup.cpu_seconds(["-c", ""]) > 0
    with pytest.raises(RuntimeError, match="ended with status 3"):
        startup.cpu_seconds(["-c", "raise SystemExit(3)"])


def test_medians_are_over_rounds() -> None:
    values = iter([3.0, 1.0, 2.0])
    assert startup.medians({"a": lambda: next(values)}, rounds=3) == {"a": 2.0}


@pytest.mark.parametrize(
    ("kind", "absent"),
    [
        ("trial of a sweep", {"torch", "optuna", "mlflow"}),
        ("controller of Ray Train", {"torch", "mlflow"}),
        ("task of a grid", {"ray.train", "torchmetrics", "mlflow", "matplotlib"}),
        ("worker of Ray Train", {"torchmetrics", "mlflow", "matplotlib"}),
    ],
)
def test_processes_import_what_they_need(kind: str, absent: set[str]) -> None:
    code = f"import sys, {startup.IMPORTED[kind]}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(done.stdout.split())
