"""What stages after the first have of their own: the temperature of their losses, and how fast they learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from equipose.balancing.search_spaces import searched


@dataclass(frozen=True, kw_only=True)
class LaterStages:
    """Settings of the stages that look at pictures or decode. The first stage is left as published, so all
    settings share it."""

    tau: float = searched(1 / 5, low=1 / 20, high=1.0)
    """Start of tau in these stages, published; their lower bounds move in proportion."""
    lr_scale: float = searched(1.0, low=1 / 3, high=3.0)
    """Factor on the learning rates of these stages."""

    def __post_init__(self) -> None:
        for name in ("tau", "lr_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"later.{name} must be finite and above 0, got {value}")

    def temperature(self, start: float, low: float) -> tuple[float, float]:
        """Start and lower bound of tau, in place of those of a stage.

        Examples:
            >>> LaterStages(tau=1 / 10).temperature(1 / 5, 1 / 10)
            (0.1, 0.05)
        """
        return self.tau, low * (self.tau / start)
