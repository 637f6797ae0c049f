"""AWC whose weights follow the contributions directly instead of two clusters (ours)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from equipose.balancing.methods.awc.awc import AWC


class ContinuousAWC(AWC):
    """AWC with `weights="continuous"` as a method of its own, so that comparisons can list both.

    The strength of m is i + (s - i) * max(0, p_m - 1/M) / (1 - 1/M), s and i being those of AWC's strong and
    weak group and p_m the modality's share of the Shapley scores. Two clusters give the full s to the
    modality ahead, however small its lead; here the strength grows with the lead.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(AWC.Config):
        """AWC's settings."""

        weights: Literal["clusters", "continuous"] = "continuous"

    config: Config
