"""What precision, compiling and recomputing are worth on a GPU, at published widths, in at most 8 minutes.

Models of the published widths do not fit side by side, so rows are measured one after the other; ratios are
those of medians, over float32 as it is. Without CUDA nothing is measured, except with `--cpu`: a toy that
shows that the benchmark works, and says nothing about a GPU. `--no-compile` leaves out the rows that compile,
`--compile-only` all others but float32, which ratios need.
"""

from __future__ import annotations

import sys
import time

import torch

from benchmarks.gpu.errors import error_table
from benchmarks.gpu.rows import Row, label, measured, planned
from benchmarks.gpu.work import PUBLISHED, TOY, Size
from equipose.models.compute.computing import exact_products
from equipose.models.compute.config import ComputeConfig

OPTIONS = ("--cpu", "--no-compile", "--compile-only")
TOTAL_S, ERRORS_S, COMPILING_S, ROW_S = 450.0, 90.0, 75.0, 12.0
"""All together, the trainings, and a row that compiles or does not; half a minute of the eight is reserve."""
NO_DEVICE = "GPU: no CUDA device here, so nothing was measured; `--cpu` runs a toy version."


def main(options: list[str] | None = None) -> str:
    """The tables as Markdown, or one line without CUDA."""
    given = [word for word in sys.argv if word in OPTIONS] if options is None else options
    if not torch.cuda.is_available() and "--cpu" not in given:
        return NO_DEVICE
    toy = not torch.cuda.is_available()
    device, size = (torch.device("cpu"), TOY) if toy else (torch.device("cuda"), PUBLISHED)
    exact_products()
    end = time.perf_counter() + TOTAL_S
    errors = error_table(device, 5.0 if toy else ERRORS_S, toy=toy)
    plan = planned(compiled=not toy and "--no-compile" not in given)
    if "--compile-only" in given:
        plan = [(work, config) for work, config in plan if config.compile or config == ComputeConfig()]
    rows = [_row(work, config, size, device, end) for work, config in plan]
    return "\n\n".join([throughput(rows, size, device), errors])


def _row(work: str, config: ComputeConfig, size: Size, device: torch.device, end: float) -> Row:
    """The row, in its own time or what is left of all."""
    left = end - time.perf_counter()
    if left <= 1:
        return Row(work=work, name=label(config), failure="no time left")
    return measured(work, config, size, device, min(left, COMPILING_S if config.compile else ROW_S))


def throughput(rows: list[Row], size: Size, device: torch.device) -> str:
    """Samples per second, memory and utilisation of every row."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU (a toy: no measurement)"
    base = {row.work: row.rate for row in rows if row.name == "float32" and not row.failure}
    lines = [
        f"### Training steps on {name}, preset `{size.preset}`, batches of {size.rows} "
        f"({size.aligned_rows} in `unihpe`), random data",
        "",
        "| step | computed | samples/s | over float32 | rounds | first step | peak memory | busy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(row, base.get(row.work)) for row in rows)])


def _line(row: Row, base: float | None) -> str:
    if row.failure:
        return f"| {row.work} | {row.name} | {row.failure} | | | | | |"
    ratio = "" if base is None else f"{row.rate / base:.2f}x"
    memory = "" if row.peak_mib is None else f"{row.peak_mib / 1024:.1f} GiB"
    busy = "" if row.utilisation is None else f"{row.utilisation:.0f} %"
    return (
        f"| {row.work} | {row.name} | {row.rate:.0f} | {ratio} | {len(row.seconds)} | {row.first_s:.1f} s "
        f"| {memory} | {busy} |"
    )
