"""From features to a pose: one linear layer.

Because it is linear, the pose after concatenation is a sum of one term per modality (AWC paper, decomposition
of the concatenation output), so all coalitions cost one product per modality.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equipose.models.skeleton import NUM_JOINTS


def as_pose(flat: Tensor) -> Tensor:
    """[..., 51] to [..., 17, 3]."""
    return flat.unflatten(-1, (NUM_JOINTS, 3))


class PoseHead(nn.Module):
    """Features [..., W] to a pose [..., 17, 3], metres."""

    def __init__(self, width: int, mean_pose: Tensor | None = None) -> None:
        """The bias starts at `mean_pose` [17, 3] m, or at zero; weights use torch's default."""
        super().__init__()
        if mean_pose is not None and mean_pose.shape != (NUM_JOINTS, 3):
            raise ValueError(
                f"mean_pose has shape {tuple(mean_pose.shape)}; give [{NUM_JOINTS}, 3] in metres"
            )
        self.linear = nn.Linear(width, NUM_JOINTS * 3)
        with torch.no_grad():
            self.linear.bias.zero_()
            if mean_pose is not None:
                self.linear.bias.copy_(mean_pose.flatten())

    def forward(self, features: Tensor) -> Tensor:
        """The pose."""
        return as_pose(self.linear(features))


class UnimodalHeads(nn.ModuleDict):
    """One pose head per modality, for methods that evaluate each sensor alone."""

    def __init__(self, modalities: tuple[str, ...], width: int, mean_pose: Tensor | None = None) -> None:
        super().__init__({name: PoseHead(width, mean_pose) for name in modalities})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, M, D] to modality -> [B, 17, 3] m."""
        return {name: head(features[:, m]) for m, (name, head) in enumerate(self.items())}
