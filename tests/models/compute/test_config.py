"""Options that fit neither the run nor the machine are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from equipose.models.compute import config as module
from equipose.models.compute.config import ComputeConfig

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_an_unknown_precision_is_named() -> None:
    unknown: Any = "fp8"
    with pytest.raises(ValueError, match=r"compute.precision must be one of .*'bf16'.*, got 'fp8'"):
        ComputeConfig(precision=unknown)


def test_fewer_bits_than_float32_do_not_go_with_float64() -> None:
    ComputeConfig(compile=True).check_dtype("float64")
    ComputeConfig(precision="bf16").check_dtype("float32")
    with pytest.raises(ValueError, match=r"precision=bf16 .* dtype is 'float64'"):
        ComputeConfig(precision="bf16").check_dtype("float64")


def test_tf32_is_of_cuda() -> None:
    with pytest.raises(ValueError, match="tf32 exists on CUDA only, and this run is on cpu"):
        ComputeConfig(precision="tf32").check_device(CPU)


@pytest.mark.parametrize(
    ("precision", "capability", "fits"),
    [("tf32", (7, 5), False), ("bf16", (7, 5), False), ("fp16", (7, 5), True), ("bf16", (8, 6), True)],
)
def test_old_gpus_lack_some(
    monkeypatch: pytest.MonkeyPatch, precision: Any, capability: tuple[int, int], fits: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    config = ComputeConfig(precision=precision)
    if fits:
        config.check_device(GPU)
    else:
        with pytest.raises(ValueError, match=r"needs compute capability \(8, 0\), this GPU has \(7, 5\)"):
            config.check_device(GPU)


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)  # type: ignore[attr-defined]
    ComputeConfig().check_device(CPU)
    with pytest.raises(ValueError, match=r"compile=true needs a C\+\+ compiler .*; install it or set"):
        ComputeConfig(compile=True).check_device(CPU)


def test_compiling_for_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="needs Triton, which is not installed"):
        ComputeConfig(compile=True).check_device(GPU)
