"""What the order of an image's numbers costs HRNet on a CPU: channels last, against channels first."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch

from benchmarks.timing import compare, one_thread
from equipose.models.encoders.image import IMAGE_ENCODERS, hrnet
from equipose.models.randomness import torch_rng

ENCODERS = ("tiny", "small")
NORMS = ("layer", "batch")
FEATURES = 128


def step(encoder: torch.nn.Module, pictures: torch.Tensor, layout: torch.memory_format) -> None:
    """Forward and backward."""
    with patch.object(hrnet, "LAYOUT", layout):
        encoder.zero_grad()
        encoder(pictures).square().sum().backward()


def candidates(name: str, norm: str, pictures: torch.Tensor) -> dict[str, Callable[[], None]]:
    """Both layouts of one encoder, channels first the baseline."""
    encoder = IMAGE_ENCODERS[name].build(FEATURES, norm)  # type: ignore[arg-type]
    layouts = {"first": torch.contiguous_format, "last": torch.channels_last}
    return {f"channels {key}": partial(step, encoder, pictures, layout) for key, layout in layouts.items()}


def main(rounds: int = 5, rows: int = 64, size: tuple[int, int] = (128, 96)) -> str:
    """CPU time of one thread, medians of interleaved rounds."""
    pictures = torch.randn(rows, 3, *size, generator=torch_rng(0, "benchmark", "pictures"))
    lines = [
        f"### HRNet, forward and backward, {rows} pictures of {size[1]}x{size[0]} (CPU time, one thread)",
        "",
        "| encoder | norm | channels first | channels last | ratio |",
        "|---|---|---|---|---|",
    ]
    with one_thread():
        for name in ENCODERS:
            for norm in NORMS:
                given = candidates(name, norm, pictures)
                first, last = compare(given, rounds=rounds, clock=time.process_time)
                times = f"{1e3 * first.median:.0f} ms | {1e3 * last.median:.0f} ms | {last.ratio:.2f}x"
                lines.append(f"| {name} | {norm} | {times} |")
    return "\n".join(lines)
