"""One step's losses when encoders learn from their own heads and the fusion from features as they are."""

from __future__ import annotations

from torch import Tensor

from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import StepContext
from equipose.balancing.parts.rank_means import shared_mean
from equipose.balancing.run import Run
from equipose.models.batch import Batch


def fused_loss(run: Run, features: Tensor, batch: Batch) -> Tensor:
    """The pose loss from features [B, M, D]; its gradient ends at fusion and pose head."""
    pose = run.model.fuse(features.detach(), run.model.present_of(batch))
    return run.loss(pose, batch.pose).mean()


def separate_losses(context: StepContext) -> Losses:
    """The pose loss on detached features, and every head's loss over the rows of all ranks that have it."""
    run, batch = context.run, context.batch
    features = run.model.encode(batch)
    present = run.model.present_of(batch)
    own = {
        f"{POSE}/{name}": shared_mean(run.loss(pose, batch.pose), present[:, m], run.mean)
        for m, (name, pose) in enumerate(run.model.unimodal(features).items())
    }
    return {POSE: fused_loss(run, features, batch), **own}
