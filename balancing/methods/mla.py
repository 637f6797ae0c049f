"""MLA, multimodal learning by alternating unimodal adaptation (Zhang et al., CVPR 2024).

Every step trains one modality after the other, each with its own encoder and one shared head, so a strong
modality cannot suppress the gradient of a weak one. The head's gradient g [51, D] is first projected away
from the mean features of the earlier modalities, g <- g P; then P is updated with this modality's mean
feature r:

    k = P r,    P <- P - k k' / (a + r' k).

Regression: the loss is MPJPE, and the shared head is one linear layer D -> 51, held equal in all unimodal
heads. At test time the paper sums predictions weighted by their entropy, which a pose does not have; here
fusion and pose head learn the joint pose from detached features, so encoders never see that loss. This
works with every fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, StepContext
from equipose.balancing.parts.alternating import (
    head_parameters,
    joined_gradient,
    move,
    other_parameters,
    share_buffers,
    tie,
)
from equipose.balancing.parts.rank_means import joined_means, shared_mean

NAME = "mla"


def narrowed(projection: Tensor, feature: Tensor, damping: float) -> Tensor:
    """The projection [D, D] after one more mean feature [D]; a symmetric one stays symmetric."""
    k = projection @ feature
    return projection - torch.outer(k, k) / (damping + feature @ k)


def projected(gradient: Tensor, head: list[nn.Parameter], projection: Tensor) -> Tensor:
    """The flat gradient [P], whose last entries belong to the head, with the part of its weight times P."""
    sizes = [p.numel() for p in head]
    encoder, *pieces = gradient.split([len(gradient) - sum(sizes), *sizes])
    parts = [
        (piece.view_as(p) @ projection.to(piece)).flatten() if p.dim() == 2 else piece
        for piece, p in zip(pieces, head, strict=True)
    ]
    return torch.cat([encoder, *parts])


class MLA(Method):
    """One update per modality, then one of fusion and pose head; needs unimodal heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """What the paper and the public code leave open is documented field by field.

        Nothing here is tuned but the learning rate. P keeps every step, so it soon outweighs any damping, and
        the direction that it takes away, the mean feature, is covered by the head's bias in regression: with
        and without projection the errors agree within the seeds.
        """

        damping: float = 0.1
        """a. The public code lowers it tenfold within each epoch; here it is constant."""
        projection: bool = True
        """Project the head's gradient; False is plain alternation."""
        normalise: bool = False
        """Divide P by its Frobenius norm after each update, as the public code does."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "damping")

    config: Config
    needs = frozenset({"unimodal_heads"})
    replaces_step = True

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.projection: Tensor | None = None
        """P, [D, D] float64; None before the first step."""

    def take_step(self, context: StepContext) -> Losses:
        """Each modality with the shared head, then fusion and pose head on the same features."""
        run, batch = context.run, context.batch
        model, present = run.model, run.model.present_of(batch)
        heads = head_parameters(model)
        shared = next(iter(heads.values()))
        tie(heads.values())
        features = model.encode(batch)
        losses = {POSE: run.loss(model.fuse(features.detach(), present), batch.pose).mean()}
        for m, (name, encoder) in enumerate(model.encoder_parameters().items()):
            errors = run.loss(model.unimodal(features)[name], batch.pose)
            losses[f"{POSE}/{name}"] = loss = shared_mean(errors, present[:, m], run.mean)
            trained = [*encoder.values(), *heads[name]]
            gradient = joined_gradient(context, loss, trained, keep_graph=True)
            if self.config.projection:
                feature = joined_means(features[:, m], present[:, m, None], run.mean).nan_to_num()
                gradient = self._project(gradient, heads[name], feature)
            move(context, gradient, [*encoder.values(), *shared])
            tie(heads.values())
        rest = other_parameters(model, "encoders.", "heads.")
        move(context, joined_gradient(context, losses[POSE], rest), rest)
        share_buffers(run)
        return {name: loss.detach() for name, loss in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """The projection."""
        return {"projection": self.projection}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.projection = state["projection"]

    def _project(self, gradient: Tensor, head: list[nn.Parameter], feature: Tensor) -> Tensor:
        """The projected gradient; updates P with this mean feature [D]."""
        before = torch.eye(len(feature)) if self.projection is None else self.projection
        before = before.to(feature)
        after = narrowed(before, feature, self.config.damping)
        self.projection = after / after.norm() if self.config.normalise else after
        return projected(gradient, head, before)
