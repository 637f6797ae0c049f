"""A pose to an embedding by a residual MLP over all coordinates at once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from equipose.models.encoders.base import Norm
from equipose.models.encoders.pose.boxes import BOX_NUMBERS
from equipose.models.encoders.pose.joints import PoseEncoder, PoseEncoderConfig, flat_inputs
from equipose.models.encoders.pose.residual import ResidualMLP, check_sizes


class PoseMLP(PoseEncoder):
    """The MLP encoder of UniHPE's table 4; the box's numbers stand beside the coordinates."""

    @dataclass(frozen=True, kw_only=True)
    class Config(PoseEncoderConfig):
        """Sizes; the paper gives none for the encoder, so these are the decoder's three blocks."""

        width: int = 1024
        blocks: int = 3
        dropout: float = 0.0

        def __post_init__(self) -> None:
            super().__post_init__()
            check_sizes(self.width, self.blocks)

        def build(self, feature_dim: int, norm: Norm) -> PoseMLP:
            """The encoder, with new weights."""
            return PoseMLP(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = self.settings = config
        inputs = config.joints * config.coordinates + BOX_NUMBERS * config.sees_box
        self.mlp = ResidualMLP(
            inputs, feature_dim, width=config.width, blocks=config.blocks, dropout=config.dropout, norm=norm
        )

    def encode(self, joints: Tensor, box: Tensor | None) -> Tensor:
        """Embeddings [B, D]."""
        out: Tensor = self.mlp(flat_inputs(joints, box))
        return out
