"""What modality-level and sample-level resampling share: settings, extra visits, and metrics.

Legend: E extra visits, M modalities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import MethodConfig
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.schedules import epoch_count

HIDE = ("stronger", "others")


@dataclass(frozen=True, kw_only=True)
class ResamplingConfig(MethodConfig):
    """When extra visits start, and what they show."""

    warmup: int = epoch_count(5)
    """Epochs of plain training before the first extra visit."""
    scale_mm: float = 100.0
    """See `value`."""
    hide: Literal["stronger", "others"] = "stronger"
    """What an extra visit hides: every stronger modality, or all but the weak one."""


def check_resampling(method: str, config: ResamplingConfig, values: Iterable[str]) -> None:
    """Raises ValueError naming the method's field, its value and the remedy.

    values: what the method's field `value` may be.
    """
    checks.at_least(method, config, "warmup", 0)
    checks.choice(method, config, "value", values)
    checks.positive(method, config, "scale_mm")
    checks.choice(method, config, "hide", HIDE)


def grown(plan: EpochPlan, indices: Tensor, present: Tensor, rng: np.random.Generator) -> EpochPlan:
    """The plan with extra visits, all in a new random order; the plan itself if there are none.

    indices: [E] rows; present: [E, M] bool.
    """
    if not len(indices):
        return plan
    order = torch.from_numpy(rng.permutation(len(plan.indices) + len(indices)))
    return EpochPlan(
        indices=torch.cat([plan.indices, indices])[order], present=torch.cat([plan.present, present])[order]
    )


def left_visible(contributions: Tensor, modality: Tensor, hide: str) -> Tensor:
    """[E, M] bool: which modalities an extra visit for `modality` [E] may use.

    contributions: [E, M]. `stronger` hides those that contribute more (one of two, as in the paper),
    `others` hides all but the modality itself.
    """
    if hide == "others":
        return torch.nn.functional.one_hot(modality, contributions.shape[1]).bool()
    return contributions <= contributions.gather(1, modality[:, None])


def log_visits(run: Run, contributions: Iterable[float], modality: Tensor, planned: int) -> None:
    """Log the mean contribution [M] and the share of extra visits of each modality; planned: rows before."""
    for m, (name, value) in enumerate(zip(run.model.modalities, contributions, strict=True)):
        run.log(f"method/contribution/{name}", value)
        run.log(f"method/added/{name}", float((modality == m).sum()) / planned)
