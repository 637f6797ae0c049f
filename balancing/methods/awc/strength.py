"""How strongly AWC holds an encoder back: absolute weights as published, or a ratio of gradients (ours).

Fisher information shrinks as training goes on and grows with the data's scale, so a weight alpha that fits
one data set caps the movement of an epoch on another, however many steps it has. A ratio says the same
everywhere: the gradient of the penalty is so much of the task's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Strength = Literal["ratio", "alpha"]

MOMENTUM = 0.05
"""Weight of the newest step in the running norms: they look back over some twenty steps."""


class RunningNorms:
    """Running means of the norms of task gradient and pull, per encoder.

    The pull of a quadratic penalty is zero at its anchor and grows with the distance. Its running norm spans
    the anchor's moves, so within an epoch the pull keeps that shape, and its mean is the target.
    """

    def __init__(self, momentum: float = MOMENTUM) -> None:
        self.momentum = momentum
        self.norms: dict[str, Tensor] = {}
        """modality -> [2] float64, of task gradient and pull; sums that lack the same start-up factor."""

    def coefficient(self, modality: str, task: Tensor, pull: Tensor, ratio: float) -> Tensor:
        """Add a step's norms (scalars); returns what the pull is multiplied with to be `ratio` of the task's.

        Zero before the first pull. Takes the norms of gradients averaged over ranks, so all ranks agree.
        """
        new = torch.stack([task.double(), pull.double()])
        before = self.norms.get(modality, torch.zeros_like(new)).to(new)
        self.norms[modality] = before + self.momentum * (new - before)
        running_task, running_pull = self.norms[modality]
        return torch.where(running_pull > 0, ratio * running_task / running_pull, running_task.new_zeros(()))

    def state_dict(self) -> dict[str, Any]:
        """The running norms."""
        return dict(self.norms)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.norms = dict(state)


class EpochRatios:
    """Mean over an epoch's steps of how large the penalty's gradient is against the task's, per encoder."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, modality: str, penalty: Tensor, task: Tensor) -> Tensor:
        """Add the norms of one step; returns the mean so far, without waiting for the device."""
        ratio = (penalty / task).nan_to_num(0.0, posinf=0.0).double()
        total, count = self._sums.get(modality, (torch.zeros_like(ratio), 0))
        self._sums[modality] = total + ratio, count + 1
        return self._sums[modality][0] / self._sums[modality][1]


def norm_of(tensors: Sequence[Tensor]) -> Tensor:
    """Euclidean norm of all numbers together, as a scalar tensor."""
    return torch.nn.utils.get_total_norm(list(tensors))
