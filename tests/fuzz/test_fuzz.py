"""Damaged files end in a refusal or a mark: a few hundred here, ten thousand and more in the slow suite."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

RUN = Path(__file__).with_name("run.py")
INPUTS = 1000
"""Of each target in the slow test."""


@pytest.fixture
def run() -> Any:
    """The module `run.py`; test folders are no packages."""
    spec = importlib.util.spec_from_file_location("fuzz_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_few_hundred_damaged_files(run: Any, tmp_path: Path) -> None:
    known = run.known_targets(tmp_path)
    outcomes = {name: run.fuzz(name, target, 17) for name, target in known.items()}
    assert sum(sum(found.values()) for found in outcomes.values()) >= 250
    assert any(found["read"] for found in outcomes.values()), "not every damage matters"
    assert {name for name, found in outcomes.items() if not found["refused"] + found["marked"]} <= {
        "marker",  # becomes simulated data of unknown version
        "server state",  # becomes no server
    }


def test_any_other_exception_is_a_finding(run: Any) -> None:
    def read(content: bytes) -> object:
        return {b"whole": 1}[content]

    with pytest.raises(KeyError):
        run.fuzz("x", SimpleNamespace(seeds=(b"whole",), read=read), 50)


@pytest.mark.slow
def test_ten_thousand_damaged_files_within_two_gibibytes() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    environment["PYTHONPATH"] = str(RUN.parents[2])
    command = [sys.executable, str(RUN), "--inputs", str(INPUTS), "--memory-gib", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    total = re.search(r"total (\d+) inputs, peak memory grew by (\d+) MiB", done.stdout)
    assert total is not None
    assert int(total[1]) >= 10_000
    assert int(total[2]) < 1024
