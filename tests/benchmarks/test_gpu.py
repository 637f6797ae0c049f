"""The GPU benchmark works on a CPU as a toy, keeps its time and says what it could not measure."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import rows as rows_module
from benchmarks.gpu.rows import OvertimeError, Row, measured, planned, within
from benchmarks.gpu.work import TOY
from equipose.models.compute.config import ComputeConfig

CPU = torch.device("cpu")


def test_without_cuda_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == gpu.NO_DEVICE
    assert "\n" not in gpu.NO_DEVICE


def test_the_toy_measures_every_step_and_says_what_needs_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(rows_module, "ROUNDS", 1)
    monkeypatch.setattr(rows_module, "WARMUP", 1)
    text = gpu.main(["--cpu"])
    for work in ("plain", "awc", "unihpe"):
        assert f"| {work} | float32 | " in text
        assert f"| {work} | tf32 | compute.precision=tf32 exists on CUDA only" in text
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {work} | bf16 |"))
        assert "x |" in line
    assert "| plain | bf16, recomputed | " in text
    assert "unihpe | bf16, recomputed" not in text
    assert "a toy: no measurement" in text
    assert "| tf32 | not measured here |" in text
    assert "| float32 | not measured here |" not in text


def test_rows_that_compile_come_last() -> None:
    compiled = [config.compile for _, config in planned(compiled=True)]
    assert compiled == sorted(compiled)
    assert any(compiled)
    assert not any(config.compile for _, config in planned(compiled=False))


def test_a_block_is_stopped_in_time() -> None:
    def wait() -> None:
        with within(0.05):
            time.sleep(20)

    start = time.perf_counter()
    with pytest.raises(OvertimeError):
        wait()
    assert time.perf_counter() - start < 20


def test_a_row_that_does_not_fit_says_so() -> None:
    assert measured("plain", ComputeConfig(), TOY, CPU, 0.0).failure == "not done in 0 s"


def test_ratios_are_of_medians_over_float32() -> None:
    rows = [
        Row(work="plain", name="float32", seconds=(2.0, 4.0, 90.0), rows=8),
        Row(work="plain", name="bf16", seconds=(1.0, 2.0, 2.0), rows=8, utilisation=71.0, peak_mib=2048.0),
        Row(work="awc", name="bf16", seconds=(1.0,), rows=8),
    ]
    lines = gpu.throughput(rows, TOY, CPU).splitlines()
    assert lines[-3:] == [
        "| plain | float32 | 2 | 1.00x | 3 | 0.0 s |  |  |",
        "| plain | bf16 | 4 | 2.00x | 3 | 0.0 s | 2.0 GiB | 71 % |",
        "| awc | bf16 | 8 |  | 1 | 0.0 s |  |  |",
    ]
