"""How the gradient of a step's loss is taken, where the encoders compute in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

FIRST = 2.0**16
GROW_AFTER = 2000
"""First factor, and clean steps after which it doubles: torch's. The scheme is that of Micikevicius et al.,
"Mixed precision training" (ICLR 2018)."""


@dataclass(kw_only=True)
class LossScale:
    """The factor of the loss that keeps gradients inside float16; it halves whenever they overflow.

    Factors are powers of two, so that scaling back costs no bit. Gradients arrive averaged over ranks, so all
    ranks see the same overflow.
    """

    factor: float = FIRST
    clean: int = 0
    """Steps since the factor last changed."""

    def unscale(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Scale gradients back and say whether all are finite; otherwise drop them.

        Raises ValueError where they overflow whatever the factor is.
        """
        moving = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in moving if p.grad is not None]
        if gradients and not bool(nn.utils.get_total_norm(gradients).isfinite()):
            self._shrink()
            for parameter in moving:
                parameter.grad = None
            return False
        torch._foreach_mul_(gradients, 1 / self.factor)
        self.clean += 1
        if self.clean == GROW_AFTER:
            self.factor, self.clean = 2 * self.factor, 0
        return True

    def _shrink(self) -> None:
        if self.factor <= 1:
            raise ValueError(
                "compute.precision=fp16: gradients are not finite even with an unscaled loss; use bf16 or "
                "float32, or lower optimizer.lr"
            )
        self.factor, self.clean = self.factor / 2, 0

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"factor": self.factor, "clean": float(self.clean)}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Inverse of `state_dict`."""
        self.factor, self.clean = state["factor"], int(state["clean"])


@dataclass(frozen=True, kw_only=True)
class Backward:
    """The backward pass of a step; the default is torch's own."""

    products: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)
    """Entered around it: the precision of its products of float32."""
    scale: LossScale | None = None
    """None: the loss as it is."""

    def __call__(self, loss: Tensor, parameters: Iterable[nn.Parameter]) -> bool:
        """Fill the gradients; False if they overflowed, have been dropped and the step is to be left out."""
        with self.products():
            (loss if self.scale is None else self.scale.factor * loss).backward()
        return self.scale is None or self.scale.unscale(parameters)
