"""The evaluation of a model with routes, and its files: every route frame by frame, and retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from equipose.models.alignment.model import AlignedModel
from equipose.models.base import RoutedModel
from equipose.orchestrator.evaluation.aligned.retrieval import Alignment, measure_alignment
from equipose.orchestrator.evaluation.aligned.routes import ERRORS, route_errors
from equipose.orchestrator.evaluation.files import atomic_folder, foreign, seal, unsealed
from equipose.orchestrator.training.data import provenance_label
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.files.atomic import atomic

ROUTES, REPORT = "routes.parquet", "alignment.json"


@dataclass(frozen=True, kw_only=True)
class AlignedEvaluation:
    """Of one model on one list of frames."""

    routes: pl.DataFrame
    """See `route_errors`."""
    alignment: Alignment | None
    """None of a model without embeddings."""
    label: str
    """How poses are made: sampler, steps and hypotheses; `regression`; `retrieval`."""
    provenance: str
    """Such as `simulated data`."""

    def mean(self, route: str, error: str, by: str | None = None) -> float | None:
        """Mean of an error over frames, or with `by="action"` over actions of their means; None without any.

        Frames whose truth is unknown do not count.
        """
        mine = self.routes.filter(pl.col("route") == route, pl.col(error).is_not_nan())[["action", error]]
        if by is not None:
            mine = mine.group_by(by).agg(pl.col(error).mean())
        value = mine[error].drop_nulls().mean()
        return None if value is None else float(value)  # type: ignore[arg-type]

    def metrics(self, prefix: str) -> dict[str, float]:
        """`<prefix>/image-pose/mpjpe_mm` and so on, and those of the alignment, as MLflow's names."""
        found = self.alignment.metrics(prefix) if self.alignment else {}
        for route in self.routes["route"].unique(maintain_order=True):
            for error in ERRORS:
                value = self.mean(route, error)
                if value is not None:
                    found[f"{prefix}/{route.replace('>', '-')}/{error}"] = value
        return found


def evaluate_aligned(
    model: RoutedModel, source: BatchSource, joints: tuple[int, ...] | None = None
) -> AlignedEvaluation:
    """Every route on all rows of `source`, and retrieval among them where the model has embeddings; joints as
    in `route_errors`."""
    alignment = None
    if isinstance(model, AlignedModel):
        alignment = measure_alignment(model, source, joints=joints)
    return AlignedEvaluation(
        routes=route_errors(model, source, joints),
        alignment=alignment,
        label=model.label,
        provenance=provenance_label(source.store),
    )


def save_aligned(evaluation: AlignedEvaluation, folder: Path) -> None:
    """Write an evaluation into `folder`, which appears complete or not at all."""
    with atomic_folder(folder) as partial:
        with atomic(partial / ROUTES) as stream:
            evaluation.routes.write_parquet(stream, compression="zstd")
        content = {
            "alignment": evaluation.alignment and evaluation.alignment.to_json(),
            "label": evaluation.label,
            "provenance": evaluation.provenance,
        }
        seal(content, partial, REPORT, files=(ROUTES,))


def load_aligned(folder: Path) -> AlignedEvaluation:
    """Inverse of `save_aligned`; DataError, naming the file, where one is absent, damaged or foreign."""
    content = unsealed(folder, REPORT)
    try:
        return AlignedEvaluation(
            routes=pl.read_parquet(folder / ROUTES),
            alignment=content["alignment"] and Alignment.from_json(content["alignment"]),
            label=content["label"],
            provenance=content["provenance"],
        )
    except (ValueError, TypeError, KeyError, OSError, pl.exceptions.PolarsError) as error:
        raise foreign(folder, error) from error
