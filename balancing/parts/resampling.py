"""What modality-level and sample-level resampling share: settings, further visits, and what is recorded.

Legend: E further visits, M modalities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import EpochPlan, MethodConfig, Run
from equipose.balancing.schedules import epoch_count

HIDE = ("stronger", "others")


@dataclass(frozen=True, kw_only=True)
class ResamplingConfig(MethodConfig):
    """From when on, and what a further visit shows."""

    warmup: int = epoch_count(5)
    """Epochs of plain training before the first further visit."""
    scale_mm: float = 100.0
    """See `value`."""
    hide: Literal["stronger", "others"] = "stronger"
    """What a further visit hides: every stronger modality, or all but the weak one."""


def check_resampling(method: str, config: ResamplingConfig, values: Iterable[str]) -> None:
    """Raises ValueError naming the method's field, its value and the remedy.

    values: what the method's field `value` may be.
    """
    checks.at_least(method, config, "warmup", 0)
    checks.choice(method, config, "value", values)
    checks.positive(method, config, "scale_mm")
    checks.choice(method, config, "hide", HIDE)


def grown(plan: EpochPlan, indices: Tensor, present: Tensor, rng: np.random.Generator) -> EpochPlan:
    """The plan with further visits, all in a new random order; the plan itself where there are none.

    indices: [E] rows; present: [E, M] bool.
    """
    if not len(indices):
        return plan
    order = torch.from_numpy(rng.permutation(len(plan.indices) + len(indices)))
    return EpochPlan(
        indices=torch.cat([plan.indices, indices])[order], present=torch.cat([plan.present, present])[order]
    )


def left_visible(contributions: Tensor, modality: Tensor, hide: str) -> Tensor:
    """[E, M] bool: which modalities a further visit for the sake of `modality` [E] may use.

    contributions: [E, M]. `stronger` hides those that contribute more (one of two, as in the paper),
    `others` hides all but the modality itself.
    """
    if hide == "others":
        return torch.nn.functional.one_hot(modality, contributions.shape[1]).bool()
    return contributions <= contributions.gather(1, modality[:, None])


def log_visits(run: Run, contributions: Iterable[float], modality: Tensor, planned: int) -> None:
    """Record the mean contribution [M] and the further visits [E] for each modality, over those planned."""
    for m, (name, value) in enumerate(zip(run.model.modalities, contributions, strict=True)):
        run.log(f"method/contribution/{name}", value)
        run.log(f"method/added/{name}", float((modality == m).sum()) / planned)
