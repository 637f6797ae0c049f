"""How well the views of a pose agree: retrieval between them over a fixed gallery, and their geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.alignment.model import AlignedModel
from equipose.models.alignment.retrieval import modality_gap, nearest, ranks_of_own, recall, uniformity
from equipose.models.alignment.sphere import unit
from equipose.models.pose_errors import root_mpjpe
from equipose.orchestrator.evaluation.frame_errors import MILLIMETRES
from equipose.orchestrator.training.passes import GALLERY_ROWS
from equipose.pipelines.batches.sharding import evenly_spaced
from equipose.pipelines.batches.source import BatchSource

RECALLS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """From the embeddings of one view to those of another."""

    source: str
    target: str
    recall_at_1: float
    """Share in [0, 1]; 1 / G by chance."""
    recall_at_5: float
    recall_at_10: float
    retrieved_mpjpe_mm: float
    """Between the pose of a row and that of the row which is retrieved, relative to the pelvis."""
    cosine: float
    """Mean over rows of the cosine with their own."""
    gap: float
    """Distance between the mean directions."""

    @property
    def direction(self) -> str:
        """Such as `image>skeleton`."""
        return f"{self.source}>{self.target}"


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Retrieval in every direction, over one gallery."""

    gallery: int
    """G."""
    rows_sha256: str
    """Of the rows of the store in the gallery: numbers are comparable only where it is equal."""
    directions: tuple[Retrieval, ...]
    uniformity: Mapping[str, float]
    """View -> see `equipose.models.alignment.retrieval.uniformity`."""

    def metrics(self, prefix: str) -> dict[str, float]:
        """`<prefix>/recall1/image-skeleton` and so on, as MLflow's names."""
        return {
            f"{prefix}/{name}/{one.source}-{one.target}": value
            for one in self.directions
            for name, value in (
                ("recall1", one.recall_at_1),
                ("recall10", one.recall_at_10),
                ("retrieved_mpjpe_mm", one.retrieved_mpjpe_mm),
                ("cosine", one.cosine),
                ("gap", one.gap),
            )
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Alignment:
        """Inverse of `to_json`."""
        return cls(**{**plain, "directions": tuple(Retrieval(**one) for one in plain["directions"])})


def measure_alignment(
    model: AlignedModel,
    source: BatchSource,
    most: int = GALLERY_ROWS,
    joints: tuple[int, ...] | None = None,
) -> Alignment:
    """Embed at most `most` evenly spaced rows on which every sensor is valid, and let each view find another.

    joints: those of a pose that are judged; None: all. Raises ValueError without such a row.
    """
    whole = source.rows[source.valid(source.rows).all(1)]
    if not len(whole):
        raise ValueError("no frame has every sensor of the model, so nothing can be retrieved")
    rows = whole[evenly_spaced(len(whole), most)]
    count = len(rows)
    embeddings, poses = _embedded(model, BatchSource(source.store, rows, source.config))
    poses = poses if joints is None else poses[:, list(joints)]
    return Alignment(
        gallery=count,
        rows_sha256=hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest(),
        directions=tuple(
            _between(one, other, embeddings[one], embeddings[other], poses)
            for one, other in permutations(embeddings, 2)
        ),
        uniformity={name: uniformity(found) if count > 1 else 0.0 for name, found in embeddings.items()},
    )


def _embedded(model: AlignedModel, source: BatchSource) -> tuple[dict[str, Tensor], Tensor]:
    like, parts, poses = next(model.parameters()), [], []
    with torch.no_grad(), evaluating(model):
        for batch in source.in_order():
            batch = batch.to(like.device, like.dtype)
            parts.append(model(batch).embeddings)
            poses.append(batch.pose)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, torch.cat(poses)


def _between(source: str, target: str, mine: Tensor, theirs: Tensor, poses: Tensor) -> Retrieval:
    ranks = ranks_of_own(mine, theirs)
    found = poses[nearest(mine, theirs)]
    at = {k: recall(ranks, k) for k in RECALLS}
    return Retrieval(
        source=source,
        target=target,
        recall_at_1=at[1],
        recall_at_5=at[5],
        recall_at_10=at[10],
        retrieved_mpjpe_mm=float(MILLIMETRES * root_mpjpe(found, poses).double().mean()),
        cosine=float((unit(mine) * unit(theirs)).sum(1).double().mean()),
        gap=modality_gap(mine, theirs),
    )
