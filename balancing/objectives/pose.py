"""The error of the pose, of the joint head and of every unimodal head."""

from __future__ import annotations

from equipose.balancing.losses import POSE, Losses
from equipose.balancing.objectives.objective import Objective, ObjectiveConfig
from equipose.balancing.step import Step
from equipose.models.batch import Batch, Outputs
from equipose.models.pose_errors import mpjpe


class PoseError(Objective):
    """L_MPJPE of the AWC paper; see `pose_losses`."""

    Config = ObjectiveConfig

    def losses(self, step: Step) -> Losses:
        """`pose`, and `pose/<modality>` of unimodal heads."""
        return pose_losses(step.outputs, step.batch)


def pose_losses(outputs: Outputs, batch: Batch) -> Losses:
    """MPJPE in metres (AWC paper, L_MPJPE) of the joint head and of every unimodal head."""
    losses = {POSE: mpjpe(outputs.pose, batch.pose).mean()}
    for modality, pose in outputs.unimodal.items():
        losses[f"{POSE}/{modality}"] = mpjpe(pose, batch.pose).mean()
    return losses
