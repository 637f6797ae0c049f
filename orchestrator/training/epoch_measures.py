"""What is measured over an epoch besides errors: peak memory, and how strongly every encoder is driven."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch
from torch import Tensor

from equipose.models.model import PoseModel

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux resets the peak by (proc(5), clear_refs)."""


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring anew, where the system can; elsewhere the peak is that of the process's life."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return


def peak_memory_mib(device: torch.device) -> float:
    """MiB since the last reset: allocated on the accelerator, or resident in this process, libraries too."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class GradientNorms:
    """Running means of the gradient norm per modality, taken after each step, as the optimiser saw it.

    After a method has shaped and the step has clipped the gradient; an encoder that a step leaves alone
    counts as zero. Gradients are averaged over ranks by then, so every rank has the same norms.
    """

    def __init__(self, model: PoseModel) -> None:
        self._groups = {name: list(group.values()) for name, group in model.encoder_parameters().items()}
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def add(self) -> None:
        """Take the norms of the gradients that are there now."""
        self._steps += 1
        for modality, parameters in self._groups.items():
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients).double() if gradients else torch.zeros(())
            self._sums[modality] = self._sums.get(modality, torch.zeros(())) + norm.cpu()

    def metrics(self) -> dict[str, float]:
        """`grad/<modality>`, metres per unit of weight."""
        return {f"grad/{name}": float(total) / self._steps for name, total in self._sums.items()}
