"""Sample-level resampling (Wei et al., "Enhancing Multimodal Cooperation via Sample-level Modality
Valuation", CVPR 2024): visit a row again for each modality that contributes too little to it.

After a warm-up, every epoch scores every modality of every row, phi in units of a full contribution
(`shapley.per_row`). Where phi < 1 the row is visited again with the stronger modalities hidden,

    2 (1 - phi) times:  once for 0.5, twice for 0, three times for -0.5,

where a fraction means its whole part, and one more with the probability of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import Method
from equipose.balancing.parts.resampling import (
    ResamplingConfig,
    check_resampling,
    grown,
    left_visible,
    log_visits,
)
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.schedules import fixed_count
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.per_row import CORRECTNESS, RowErrors, row_contributions, row_errors
from equipose.models.randomness import numpy_rng

NAME = "sample_resampling"


def copies(contributions: Tensor, present: Tensor, most: int, rng: np.random.Generator) -> Tensor:
    """[N, M] int64 extra visits for each modality of each row, at most `most`, 0 where it is absent.

    contributions: [N, M] float64; present: [N, M] bool.
    """
    wanted = (2 * (1 - contributions)).clamp(0, most)
    # Rounding must not turn two whole copies into one and a probability next to one.
    whole = (wanted + 1e-9).floor()
    rest = (wanted - whole).clamp_min(0)
    chance = torch.from_numpy(rng.random(contributions.shape))
    return torch.where(present, whole + (chance < rest), 0).long()


class SampleResampling(Method):
    """Every epoch after the warm-up grows by rows in which a modality contributes too little."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ResamplingConfig):
        """The paper's values; each field documents what the paper leaves open for regression."""

        value: Literal["threshold", "soft"] = "threshold"
        """What "correct" means: error below `scale_mm`, or exp(-error / scale_mm)."""
        which: Literal["below_full", "weakest"] = "below_full"
        """Every modality below a full contribution, as in the paper's equation, or only the weakest."""
        max_copies: int = fixed_count(3)
        """Largest number of extra visits of one row for one modality."""
        max_growth: float = searched(1.0, low=0.25, high=2.0)
        """Largest growth of an epoch, as a share of its rows; beyond it a random choice is kept. Ours: a
        model that is wrong everywhere would otherwise ask for 2 M times the rows of an epoch."""

        def __post_init__(self) -> None:
            super().__post_init__()
            check_resampling(NAME, self, CORRECTNESS)
            checks.choice(NAME, self, "which", ("below_full", "weakest"))
            checks.at_least(NAME, self, "max_copies", 0)
            checks.positive(NAME, self, "max_growth", zero=True)

    config: Config

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The plan and the extra visits, shuffled together."""
        c = self.config
        if run.epoch < c.warmup or c.max_copies == 0 or c.max_growth == 0:
            return plan
        rng = numpy_rng(run.seed, NAME, run.epoch)
        found = row_errors(run, torch.unique(plan.indices))
        values = row_contributions(found, c.value, c.scale_mm / 1000)
        row, modality = self._visits(values, found, len(plan.indices), rng)
        means = (float(column[kept].mean()) for column, kept in zip(values.T, found.present.T, strict=True))
        log_visits(run, means, modality, len(plan.indices))
        return grown(plan, found.rows[row], left_visible(values[row], modality, c.hide), rng)

    def _visits(
        self, values: Tensor, found: RowErrors, size: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Positions of rows [E] and the modality [E] that each extra visit is for."""
        counts = copies(values, found.present, self.config.max_copies, rng)
        if self.config.which == "weakest":
            least = values.masked_fill(~found.present, torch.inf).argmin(dim=1, keepdim=True)
            counts = torch.zeros_like(counts).scatter(1, least, counts.gather(1, least))
        row, modality = counts.nonzero().repeat_interleave(counts[counts > 0], dim=0).T
        most = int(self.config.max_growth * size + 1e-9)
        if len(row) > most:
            kept = torch.from_numpy(rng.permutation(len(row))[:most])
            row, modality = row[kept], modality[kept]
        return row, modality
