"""One pass over held-out frames gives the errors and, from the same features, every coalition."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import value_function as value_function_of
from equipose.models.base import SensorModel
from equipose.models.batch import Batch
from equipose.orchestrator.training.ranks import Ranks

ACTIONS = 1000
"""More than any source has; makes one number of subject and action."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Errors and contributions on one fixed sample set."""

    modalities: tuple[str, ...]
    errors: dict[str, float]
    """Metric name -> value of the full model, e.g. `mpjpe_mm`."""
    statistics: CoalitionStatistics
    """Of all coalitions of `coalitions_of(M)`, merged over ranks."""
    shapley: Tensor
    """[M] float64."""
    sampling_error: Tensor
    """[M] standard error of `shapley` from looking at a sample of the coalitions; 0 up to 8 modalities."""
    cosines: Tensor | None = None
    """[M] float64: of an aligned model, the mean cosine of each sensor's embeddings with the skeletons'."""
    shapley_seconds: float
    """Time of the coalitions and their statistics on this rank, with the one `fuse` of plain validation."""

    @property
    def mpjpe_mm(self) -> float:
        """Mean per-joint position error of the full model, mm, no alignment."""
        return self.errors["mpjpe_mm"]

    def metrics(self) -> dict[str, float]:
        """Under the tracking names: `val/*`, `subset/*/mpjpe_mm`, `shapley/*`, `contrib/share/*`, and of each
        sensor alone the `spread/*_mm` and `mean/*_mm` of its predictions over frames and coordinates; of an
        aligned model `val/cosine/*`."""
        named = {f"val/{name}": value for name, value in self.errors.items()}
        coalitions = coalitions_of(len(self.modalities))
        subsets = coalitions.shown_by_name(self.statistics.mpjpe_mm(), self.modalities)
        named |= {f"subset/{name}/mpjpe_mm": error for name, error in subsets.items()}
        spread = self.statistics.prediction_spread()[coalitions.alone]
        mean = self.statistics.total().mean[0].mean(dim=-1)[coalitions.alone]
        total = float(self.shapley.abs().sum()) or 1.0
        for m, modality in enumerate(self.modalities):
            named[f"shapley/{modality}"] = float(self.shapley[m])
            if not coalitions.exact:
                named[f"shapley/{modality}/sampling_error"] = float(self.sampling_error[m])
            named[f"contrib/share/{modality}"] = float(self.shapley[m]) / total
            named[f"spread/{modality}_mm"] = float(spread[m]) * 1000
            named[f"mean/{modality}_mm"] = float(mean[m]) * 1000
            if self.cosines is not None:
                named[f"val/cosine/{modality}"] = float(self.cosines[m])
        return named


def recordings(batch: Batch) -> Tensor:
    """[B] the recording of each frame, as one number of its subject and action; see `subjects_of`."""
    return batch.labels["subject"] * ACTIONS + batch.labels["action"]


def subjects_of(clusters: Tensor) -> Tensor:
    """The subjects of `recordings`."""
    return clusters // ACTIONS


def validate(
    model: SensorModel,
    batches: Iterable[Batch],
    *,
    value_function: str = "pearson",
    ranks: Ranks | None = None,
) -> Validation:
    """Encode every frame once and fuse all its coalitions from those features.

    The full model is the last coalition, so the errors of plain validation are a by-product.
    """
    from equipose.models.metrics import pose_metrics  # torchmetrics, which only processes that train need

    ranks = ranks or Ranks()
    value_of = value_function_of(value_function)
    metrics = pose_metrics()
    parts: list[tuple[CoalitionStatistics, Tensor | None]] = []
    extra = 0.0
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            features, present = model.encode(batch), model.present_of(batch)
            start = time.perf_counter()
            predictions = coalition_predictions(model, features, present)
            found = CoalitionStatistics.from_predictions(predictions, batch.pose, recordings(batch))
            extra += time.perf_counter() - start
            metrics.to(features.device).update(predictions[-1], batch.pose)
            cosines = model.agreement(features, batch)
            known = None if cosines is None else cosines.double().where(present, torch.nan).cpu()
            parts.append((found, known))
    gathered = [part for share in ranks.gather(parts) for part in share]
    if not gathered:
        raise ValueError("nothing to validate on: the validation part has no frames")
    start = time.perf_counter()
    statistics = CoalitionStatistics.merged([found for found, _ in gathered])
    cosines_of = [known for _, known in gathered if known is not None]
    coalitions, worth = coalitions_of(len(model.modalities)), value_of(statistics)
    shapley, sampling_error = coalitions.shapley(worth), coalitions.sampling_error(worth)
    extra += time.perf_counter() - start
    return Validation(
        modalities=model.modalities,
        errors={name: float(value) for name, value in metrics.compute().items()},
        statistics=statistics,
        shapley=shapley,
        sampling_error=sampling_error,
        cosines=torch.cat(cosines_of).nanmean(0) if cosines_of else None,
        shapley_seconds=extra,
    )
