"""Measurements of an epoch besides errors: losses, memory, and how every encoder's weights move."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch
from torch import Tensor

from equipose.balancing.losses import Losses
from equipose.models.base import SensorModel
from equipose.orchestrator.training.ranks import Ranks

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Resets the peak on Linux, see proc(5), clear_refs."""


def reset_peak_memory(device: torch.device) -> None:
    """Reset the peak where the system can; elsewhere it is that of the whole process so far."""
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
    """Running means of the gradient norm per modality, taken after each step, as the optimiser sees it.

    By then the method has shaped the gradient and the step has clipped it; an encoder without a gradient
    counts as zero. Gradients have been averaged over ranks, so every rank has the same norms.
    """

    def __init__(self, model: SensorModel) -> None:
        self._groups = {name: list(group.values()) for name, group in model.encoder_parameters().items()}
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def add(self) -> None:
        """Add the norms of the current gradients."""
        self._steps += 1
        for modality, parameters in self._groups.items():
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients).double() if gradients else torch.zeros(())
            self._sums[modality] = self._sums.get(modality, torch.zeros(())) + norm

    def metrics(self) -> dict[str, float]:
        """`grad/<modality>`, metres per unit of weight."""
        return {f"grad/{name}": float(total) / self._steps for name, total in self._sums.items()}


class Displacement:
    """How far every encoder's weights move in an epoch: the norm of their change, from construction on."""

    def __init__(self, model: SensorModel) -> None:
        self._groups = {name: list(group.values()) for name, group in model.encoder_parameters().items()}
        self._start = {name: [p.detach().clone() for p in group] for name, group in self._groups.items()}

    def metrics(self) -> dict[str, float]:
        """`moved/<modality>`, in units of weight."""
        return {
            f"moved/{name}": float(
                torch.nn.utils.get_total_norm([p.detach() - s for p, s in zip(group, start, strict=True)])
            )
            for (name, group), start in zip(self._groups.items(), self._start.values(), strict=True)
        }


def mean_losses(losses: list[Losses], ranks: Ranks) -> dict[str, float]:
    """`train/loss` and `train/loss/<name>`: means over steps and ranks."""
    if not losses:
        raise ValueError("the epoch plan holds no complete batch; lower data.batch.batch_size")
    names = list(losses[0])
    table = torch.stack([torch.stack([step[name].double() for name in names]) for step in losses])
    means = dict(zip(names, ranks.mean(table.mean(dim=0)).tolist(), strict=True))
    return {"train/loss": sum(means.values())} | {f"train/loss/{name}": v for name, v in means.items()}
