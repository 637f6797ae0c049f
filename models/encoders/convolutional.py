"""Pictures to features: a residual network and the average of its last map."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm
from equipose.models.encoders.resnet import ResNet


class Convolutional(Encoder):
    """Pictures [B, C, H, W] to features [B, D]; the default of image sensors."""

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Widths; the defaults are those of ResNet-34 with a smaller stem."""

        inputs: int = 1
        """C."""
        base: int = 64
        """Channels of the first stage; each further stage doubles them."""
        blocks: tuple[int, ...] = (3, 4, 6, 3)
        """Residual blocks per stage; every stage but the first halves the map."""

        def __post_init__(self) -> None:
            if self.inputs < 1 or self.base < 1 or not self.blocks or min(self.blocks) < 1:
                raise ValueError(
                    f"inputs={self.inputs}, base={self.base}, blocks={self.blocks}: use 1 or more"
                )

        def build(self, feature_dim: int, norm: Norm) -> Convolutional:
            """The encoder, with new weights."""
            return Convolutional(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config = config
        self.resnet = ResNet(config.base, config.blocks, 2, norm, inputs=config.inputs)
        self.project = nn.Linear(self.resnet.channels, feature_dim)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features [B, D]; the mask is not used."""
        return self.project(self.resnet(inputs).mean((2, 3)))
