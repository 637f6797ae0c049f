"""How strongly every encoder is driven: the norm of its gradient, averaged over an epoch's steps."""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.models.model import PoseModel


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
