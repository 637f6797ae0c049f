"""Named losses: what is minimised, and what methods add to it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Losses = dict[str, Tensor]
"""Named scalars, each a mean over this rank's batch, in metres. `pose` is the task loss;
`pose/<modality>` are those of the unimodal heads. Methods touch only the names they know."""

POSE = "pose"
"""Name of the task loss."""

PerSampleLoss = Callable[[Tensor, Tensor], Tensor]
"""(prediction [B, J, 3], target [B, J, 3]) -> [B], metres."""


def total_loss(losses: Losses) -> Tensor:
    """The scalar that is minimised: the sum of all named losses."""
    return torch.stack(list(losses.values())).sum()


def with_term(losses: Losses, name: str, term: Tensor) -> Losses:
    """A new dict with one more scalar in metres; a name that already exists gets the sum of both."""
    return losses | {name: losses[name] + term if name in losses else term}
