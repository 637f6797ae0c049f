"""Unimodal heads as mere observers: they learn, and the encoders do not notice."""

from __future__ import annotations

from equipose.balancing.method import POSE, Losses, Step


def probe_losses(losses: Losses, step: Step) -> Losses:
    """The losses with those of the unimodal heads taken on detached features.

    The heads go on training, which data-parallel training needs of every parameter, but the encoders learn
    from the other losses alone. Replaces the losses `pose/<modality>`; unchanged without heads.
    """
    run, batch = step.run, step.batch
    poses = run.model.unimodal(step.outputs.features.detach())
    return losses | {f"{POSE}/{name}": run.loss(pose, batch.pose).mean() for name, pose in poses.items()}
