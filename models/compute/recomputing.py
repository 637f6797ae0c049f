"""Layers that forget what they computed and compute it again in the backward pass (Chen et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SLICE = 2**27
"""Numbers in the largest tensor of a slice: 0.5 GiB in float32; a backward pass holds about a dozen such."""


class Recomputing(nn.Module):
    """A layer whose rows do not see each other and which draws nothing at random, so it can be recomputed."""

    recomputes: bool = False
    """Whether training passes keep nothing but the layer's inputs."""

    def in_slices(self, call: Callable[..., Tensor], numbers: int, *given: Tensor) -> Tensor:
        """`call(*given)`, recomputed a few rows at a time where the layer recomputes and trains.

        numbers: in the largest tensor that the call makes of one row. given: [B, ...] each.
        """
        if not (self.recomputes and self.training and torch.is_grad_enabled()):
            return call(*given)
        rows = max(1, SLICE // numbers)
        parts = zip(*(tensor.split(rows) for tensor in given), strict=True)
        found = [checkpoint(call, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
        return torch.cat(found)
