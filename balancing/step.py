"""What a method and an objective see of one optimisation step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from equipose.balancing.run import Run
from equipose.models.batch import Batch, Outputs


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a method sees of one optimisation step."""

    run: Run
    index: int
    """0-based step inside the epoch."""
    batch: Batch
    outputs: Outputs
    rng: torch.Generator
    """Seeded from (seed, epoch, step); equal on all ranks."""

    @property
    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """modality -> name -> encoder parameter."""
        return self.run.model.encoder_parameters()
