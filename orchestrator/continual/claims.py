"""What the abstract of the continual paper claims, as comparisons of two strategies and a control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from equipose.orchestrator.continual.config import FINETUNE
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.pipelines.statistics.streams.errors import compare_final, compare_forgetting


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A strategy that is said to be better than another one."""

    sentence: str
    strategy: str
    against: str
    """The same without what the claim is about, or its control."""
    forgetting: bool = False
    """Whether it is about what is forgotten, not about the final error."""


NIS, NOISY, RANDOM = "noisy nis+replay", "noisy replay", "noisy random+replay"
CLAIMS: tuple[Claim, ...] = (
    Claim(sentence="balancing helps a stream", strategy="awc+ewc", against="ewc"),
    Claim(sentence="balancing helps a stream", strategy="relearning", against=FINETUNE),
    Claim(sentence="denoising eases forgetting", strategy=NIS, against=NOISY, forgetting=True),
    Claim(sentence="denoising eases forgetting, control", strategy=NIS, against=RANDOM, forgetting=True),
    Claim(sentence="denoising lowers the error", strategy=NIS, against=NOISY),
    Claim(sentence="denoising lowers the error, control", strategy=NIS, against=RANDOM),
    Claim(sentence="adaptive EWC keeps", strategy="ewc_adaptive", against=FINETUNE),
    Claim(sentence="adaptive EWC keeps, control", strategy="ewc_adaptive", against="ewc"),
)


def claim_rows(outcome: ContinualOutcome) -> list[dict[str, Any]]:
    """A row of `statistics.comparison.compare` per claim whose strategies the job has, with `claim` and
    `compared`; claims are tested one by one."""
    rows = []
    for claim in CLAIMS:
        if {claim.strategy, claim.against} <= set(outcome.strategies):
            pair = outcome.of_subset().filter(pl.col("strategy").is_in([claim.strategy, claim.against]))
            test = compare_forgetting if claim.forgetting else compare_final
            [row] = test(pair, claim.against).iter_rows(named=True)
            about = "forgetting" if claim.forgetting else "final error"
            rows.append(
                {
                    "claim": claim.sentence,
                    "about": about,
                    "compared": f"{claim.strategy} − {claim.against}",
                    **row,
                }
            )
    return rows
