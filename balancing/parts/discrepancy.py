"""How far each modality is ahead in a step: settings and measure that OGM-GE, OPM and PMR share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import MethodConfig, Step
from equipose.balancing.parts.unimodal_scores import (
    RATIOS,
    SOURCES,
    Ratio,
    Source,
    bounded_scores,
    discrepancy_ratio,
    unimodal_errors,
    unimodal_predictions,
)


@dataclass(frozen=True, kw_only=True)
class DiscrepancyConfig(MethodConfig):
    """How the lead of a modality is measured for poses, and among more than two modalities."""

    ratio: Ratio = "mean"
    """What a lead is relative to: the `mean` of the others, or the `weakest` modality."""
    unimodal: Source = "coalition"
    """Whose prediction represents a modality alone."""
    centred: bool = True
    """Shift the predictions of `unimodal="coalition"` to the mean target before scoring them."""
    temperature: float | None = None
    """tau in m of the score exp(-e / tau); None uses the mean error over the modalities, so scores have
    no unit."""


def check_discrepancy(method: str, config: DiscrepancyConfig) -> None:
    """Raises ValueError naming the method's field, its value and the remedy."""
    checks.choice(method, config, "ratio", RATIOS)
    checks.choice(method, config, "unimodal", SOURCES)
    if config.temperature is not None:
        checks.positive(method, config, "temperature")


def discrepancy_ratios(step: Step, config: DiscrepancyConfig) -> Tensor:
    """[M] float64, above 1 for modalities ahead (`unimodal_scores.discrepancy_ratio`); equal on all ranks."""
    predictions = unimodal_predictions(step, config.unimodal)
    centred = config.centred and config.unimodal == "coalition"
    errors = unimodal_errors(step, predictions, centred=centred)
    return discrepancy_ratio(bounded_scores(errors, config.temperature), config.ratio)


def modulation(ahead: Tensor, alpha: float) -> Tensor:
    """[M] gradient coefficients `1 - tanh(alpha rho)` where rho > 1, else 1, from the ratios rho [M]."""
    return torch.where(ahead > 1, 1 - torch.tanh(alpha * ahead), 1.0)
