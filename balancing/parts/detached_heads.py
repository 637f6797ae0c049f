"""Unimodal heads as probes: they learn without influencing the encoders."""

from __future__ import annotations

from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Step


def probe_losses(losses: Losses, step: Step) -> Losses:
    """The losses, with those of the unimodal heads computed on detached features.

    The heads keep training, as data-parallel training requires of every parameter, but the encoders learn
    from the other losses alone. Replaces the losses `pose/<modality>`; changes nothing without heads.
    """
    run, batch = step.run, step.batch
    poses = run.model.unimodal(step.outputs.features.detach())
    return losses | {f"{POSE}/{name}": run.loss(pose, batch.pose).mean() for name, pose in poses.items()}
