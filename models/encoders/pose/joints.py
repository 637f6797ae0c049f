"""What the pose encoders have in common: joints in, and the bounding box beside them in 2D."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.models.encoders.base import Encoder, EncoderConfig
from equipose.models.encoders.pose.boxes import BOX_NUMBERS
from equipose.models.skeleton import NUM_JOINTS


@dataclass(frozen=True, kw_only=True)
class PoseEncoderConfig(EncoderConfig):
    """What goes in."""

    coordinates: int = 2
    """2: key points in the box (`to_box`); 3: joints relative to the pelvis, camera axes, metres."""
    joints: int = NUM_JOINTS
    box: bool | None = None
    """Whether the encoder sees `box_token`; None: in 2D, as published (appendix B.2; section 3.1 can be read
    as both). In 3D there is none."""

    def __post_init__(self) -> None:
        if self.coordinates not in (2, 3):
            raise ValueError(f"coordinates={self.coordinates}: use 2 or 3")
        if self.joints < 1:
            raise ValueError(f"joints={self.joints}: use 1 or more")
        if self.box and self.coordinates == 3:
            raise ValueError("box=True with coordinates=3: a 3D pose has no bounding box; use None or False")

    @property
    def sees_box(self) -> bool:
        """Whether `forward` needs a context."""
        return self.coordinates == 2 if self.box is None else self.box


class PoseEncoder(Encoder):
    """Joints [B, J, C], or a window of one frame [B, 1, J, C], to an embedding [B, D]."""

    settings: PoseEncoderConfig

    def forward(self, inputs: Tensor, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Embeddings [B, D]; context [B, 3] is the `box_token`, and the mask is not used."""
        config = self.settings
        if inputs[0].numel() != config.joints * config.coordinates:
            raise ValueError(
                f"inputs have shape {list(inputs.shape)}; this encoder takes one frame of "
                f"[{config.joints}, {config.coordinates}] for each row"
            )
        joints = inputs.reshape(inputs.shape[0], config.joints, config.coordinates)
        if not config.sees_box:
            return self.encode(joints, None)
        if context is None or context.shape != (len(inputs), BOX_NUMBERS):
            given = None if context is None else list(context.shape)
            raise ValueError(
                f"context={given}: this encoder needs a box token [{len(inputs)}, {BOX_NUMBERS}]; "
                "give one, or build it with box=False"
            )
        return self.encode(joints, context)

    def encode(self, joints: Tensor, box: Tensor | None) -> Tensor:
        """Embeddings [B, D] of joints [B, J, C] and, where the encoder sees it, the box [B, 3]."""
        raise NotImplementedError


def flat_inputs(joints: Tensor, box: Tensor | None) -> Tensor:
    """[B, J C (+ 3)]: all numbers of a pose in a row."""
    return joints.flatten(1) if box is None else torch.cat([joints.flatten(1), box], 1)
