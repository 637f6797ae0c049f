"""What a method did, recorded as the mean over each epoch's steps."""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.method import Step


class EpochMeans:
    """Logs the running mean of per-modality numbers under `method/<what>/<modality>`.

    Restarts at each epoch's first step, so checkpoints between epochs need not contain it.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.count = 0
        self.total: Tensor = torch.zeros(())

    def add(self, step: Step, values: Tensor) -> None:
        """Add one step's numbers [M]."""
        if step.index == 0:
            self.count, self.total = 0, torch.zeros_like(values)
        self.count, self.total = self.count + 1, self.total + values
        means = (self.total / self.count).tolist()
        for modality, value in zip(step.run.model.modalities, means, strict=True):
            step.run.log(f"method/{self.what}/{modality}", value)
