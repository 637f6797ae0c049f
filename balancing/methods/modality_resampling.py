"""Modality-level resampling (Wei et al., "Enhancing Multimodal Cooperation via Sample-level Modality
Valuation", CVPR 2024): extra rows for weak modalities, with the stronger ones hidden.

After a warm-up, the mean contribution phi_m of each modality is estimated on a random share of the rows.
In the paper, with two modalities, the epoch gains `alpha * 2/3 * |phi_1 - phi_2| * N` rows in which the
stronger one's feature is zero. Ours for any M, the same for two: modality m gains

    alpha * 2/3 * sum over n of max(0, phi_n - phi_m) / (M - 1) * N    rows.

A pose is not right or wrong, so the game v(C) = |C| * correct(C) behind phi needs an interpretation: `value`.
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
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.per_row import CORRECTNESS, RowErrors, row_contributions, row_errors
from equipose.models.randomness import numpy_rng

NAME = "modality_resampling"


def deficits(contributions: Tensor) -> Tensor:
    """[M] mean shortfall behind each other modality; 0 for the strongest. contributions: [M]."""
    behind = (contributions - contributions[:, None]).clamp_min(0)
    return behind.sum(dim=1) / max(1, len(contributions) - 1)


def drawn(pool: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """[count] elements of a pool; how often two elements occur differs by at most one."""
    if not len(pool):
        return pool
    rounds = -(-count // len(pool))
    orders = [pool[torch.from_numpy(rng.permutation(len(pool)))] for _ in range(rounds)]
    return torch.cat([pool[:0], *orders])[:count]


class ModalityResampling(Method):
    """Every epoch after the warm-up grows by rows for the weak modalities."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ResamplingConfig):
        """The paper's values; each field documents what the paper leaves open for regression."""

        alpha: float = searched(1.0, low=0.25, high=2.0)
        """Strength; 0 adds no row."""
        fraction: float = 0.2
        """Share of the rows that contributions are estimated on (Z)."""
        value: Literal["threshold", "soft", "validation"] = "threshold"
        """What "correct" means: error below `scale_mm`, or exp(-error / scale_mm); `validation` instead takes
        the Shapley scores of the latest validation pass, scaled to mean 1."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "alpha", zero=True)
            checks.share(NAME, self, "fraction")
            check_resampling(NAME, self, (*CORRECTNESS, "validation"))

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if self.config.value == "validation":
            self.needs = frozenset({"contributions"})

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The plan and the rows added to it, shuffled together."""
        c = self.config
        if run.epoch < c.warmup or c.alpha == 0:
            return plan
        rng = numpy_rng(run.seed, NAME, run.epoch)
        rows = torch.unique(plan.indices)
        share = 0.0 if c.value == "validation" else c.fraction
        scored = torch.zeros(len(rows), dtype=torch.bool)
        scored[torch.from_numpy(rng.permutation(len(rows)))[: int(np.ceil(share * len(rows)))]] = True
        found = row_errors(run, rows, scored)
        scores = self._scores(found, run)
        indices, modality = self._added(scores, found, len(plan.indices), rng)
        log_visits(run, scores.tolist(), modality, len(plan.indices))
        return grown(plan, indices, left_visible(scores.expand(len(indices), -1), modality, c.hide), rng)

    def _scores(self, found: RowErrors, run: Run) -> Tensor:
        """[M] mean contributions; 1 is a full contribution."""
        if self.config.value == "validation":
            assert run.contributions is not None, "`needs` makes the loop validate first"
            kept = run.contributions.cpu().clamp_min(0)
            return kept * len(kept) / kept.sum().clamp_min(1e-12)
        values = row_contributions(found, self.config.value, self.config.scale_mm / 1000)
        counted = (found.present & found.scored[:, None]).double()
        return (values * counted).sum(dim=0) / counted.sum(dim=0).clamp_min(1)

    def _added(
        self, scores: Tensor, found: RowErrors, size: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Rows to add [E], and the modality that each is for [E]."""
        # 1e-9 keeps rounding from lowering an exact count by one.
        counts = (self.config.alpha * 2 / 3 * deficits(scores) * size + 1e-9).long().tolist()
        parts = [drawn(found.rows[found.present[:, m]], count, rng) for m, count in enumerate(counts)]
        modality = [torch.full((len(part),), m) for m, part in enumerate(parts)]
        return torch.cat(parts), torch.cat(modality)
