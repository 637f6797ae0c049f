"""AWC whose weights follow the contributions directly instead of two clusters (ours)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.search_spaces import searched


class ContinuousAWC(AWC):
    """AWC with `weights="continuous"` as a method of its own, so that comparisons can list both.

    The strength of m is i + (s - i) * max(0, p_m - 1/M) / (1 - 1/M), s and i being those of AWC's strong and
    weak group and p_m the modality's share of the Shapley scores. Two clusters give the full s to the
    modality ahead, however small its lead; here the strength grows with the lead.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(AWC.Config):
        """AWC's settings. Shares are seldom far above 1/M, so the full strength is larger than AWC's."""

        ratio_s: float = searched(2.0, low=0.2, high=20.0, when=("strength", "ratio"))
        """Strength of a modality that contributes everything; two of five shares above 1/M give 0.4."""
        weights: Literal["clusters", "continuous"] = "continuous"

    config: Config
