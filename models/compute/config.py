"""How the encoders' training passes compute: the options, and whether a machine can do them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from typing import Literal

import torch

Precision = Literal["float32", "tf32", "bf16", "fp16"]
HALF: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Precisions that autocast gives, as its types."""
PRECISIONS: tuple[str, ...] = ("float32", "tf32", *HALF)
TENSOR_CORES = (8, 0)
"""The first compute capability with TF32 and bfloat16 (Ampere)."""


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How the encoders' training passes compute; the defaults leave every number as it is."""

    precision: Precision = "float32"
    """Of the encoders' matrix products and convolutions. `tf32`: 10 bits of mantissa, weights and results
    stay in float32. `bf16`, `fp16`: autocast; the latter scales the loss, since its gradients underflow."""
    compile: bool = False
    """Compile the encoders with `torch.compile`: it takes a minute or so per run, before the first step."""
    activation_checkpointing: bool = False
    """Recompute the attention among points in the backward pass, a few frames at a time, instead of keeping
    it: less memory for more time. Models without point clouds have none of it."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"compute.precision must be one of {PRECISIONS}, got {self.precision!r}")

    def check_dtype(self, dtype: str) -> None:
        """Raise ValueError where the run's `dtype` leaves no float32 to compute with fewer bits."""
        if dtype != "float32" and self.precision != "float32":
            raise ValueError(
                f"compute.precision={self.precision} computes with fewer bits than float32, but dtype is "
                f"{dtype!r}; leave one of the two at float32"
            )

    def check_device(self, device: torch.device) -> None:
        """Raise ValueError for what this machine cannot do."""
        if self.precision in ("tf32", "bf16") and device.type == "cuda":
            found = torch.cuda.get_device_capability(device)
            if found < TENSOR_CORES:
                raise ValueError(
                    f"compute.precision={self.precision} needs compute capability {TENSOR_CORES}, this GPU "
                    f"has {found}; use fp16 or float32"
                )
        if self.precision == "tf32" and device.type != "cuda":
            raise ValueError(
                f"compute.precision=tf32 exists on CUDA only, and this run is on {device.type}; use bf16 or "
                "float32"
            )
        if self.compile and (lacking := missing_compiler(device)):
            raise ValueError(f"compute.compile=true needs {lacking}; install it or set compute.compile=false")


def missing_compiler(device: torch.device) -> str | None:
    """What `torch.compile` lacks on this machine, or None."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "Triton, which is not installed"
    candidates = [os.environ.get("CXX"), "g++", "clang++", "gcc", "clang"]
    if not any(name and shutil.which(name) for name in candidates):
        return "a C++ compiler (g++, clang++ or the one that CXX names), and finds none"
    return None
