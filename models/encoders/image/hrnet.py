"""HRNet: four resolutions side by side, joined again and again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipose.models.encoders.base import Encoder, EncoderConfig, Norm
from equipose.models.encoders.image.hrnet_layers import Bottleneck, ConvNorm, Exchange

LAYOUT = torch.channels_last
"""Order of a picture's numbers; convolutions on CPUs are faster in it (`benchmarks/models/pictures.py`)."""
SMALLEST = 32
"""Height and width must be multiples of this, so that all four resolutions fit each other."""


class HRNet(Encoder):
    """Pictures [B, 3, H, W] to embeddings [B, D].

    All maps of the last stage are averaged over their positions and concatenated, 15 W channels, then a
    linear layer (UniHPE, section 3.1). Networks for key points alone, such as MMPose's, end in the first
    branch, so their last module does not have the paths into the others.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(EncoderConfig):
        """Sizes; the defaults are those of HRNet-W32."""

        width: int = 32
        """W, channels of the first branch."""
        stem: int = 64
        """Channels of the first two convolutions and inside the bottlenecks."""
        modules: tuple[int, int, int] = (1, 4, 3)
        """Exchanges in the stages with two, three and four branches."""
        bottlenecks: int = 4
        blocks: int = 4
        """Residual blocks of a branch in each exchange."""
        inputs: int = 3
        """Channels of the picture."""

        def __post_init__(self) -> None:
            sizes = (self.width, self.stem, self.bottlenecks, self.blocks, self.inputs, *self.modules)
            if len(self.modules) != 3 or min(sizes) < 1:
                raise ValueError(f"{self}: give three numbers of modules, and sizes of 1 or more")

        def build(self, feature_dim: int, norm: Norm) -> HRNet:
            """The encoder, with new weights."""
            return HRNet(self, feature_dim, norm)

    def __init__(self, config: Config, feature_dim: int, norm: Norm) -> None:
        super().__init__()
        self.config, self.norm = config, norm
        width, stem = config.width, config.stem
        self.stem = nn.Sequential(ConvNorm(config.inputs, stem, 3, 2, norm), ConvNorm(stem, stem, 3, 2, norm))
        inner = [Bottleneck(stem if n == 0 else 4 * stem, stem, norm) for n in range(config.bottlenecks)]
        self.bottlenecks = nn.Sequential(*inner)
        # What makes the maps of each stage out of the one before: first two, then one new branch.
        self.starts = nn.ModuleList(
            [
                nn.ModuleList(
                    [ConvNorm(4 * stem, width, 3, 1, norm), ConvNorm(4 * stem, 2 * width, 3, 2, norm)]
                ),
                *(nn.ModuleList([ConvNorm(n * width, 2 * n * width, 3, 2, norm)]) for n in (2, 4)),
            ]
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Exchange(width, branches, config.blocks, norm) for _ in range(count))
            for branches, count in zip((2, 3, 4), config.modules, strict=True)
        )
        self.project: nn.Module = nn.Linear(15 * width, feature_dim)

    def keep_finest(self) -> None:
        """Remove what the finest map of the last stage does not need, as in HRNet for key points: the last
        module's paths into the other branches, and the linear layer. `maps` then gives that map alone."""
        last = self.get_submodule(f"stages.2.{self.config.modules[2] - 1}")
        assert isinstance(last, Exchange)
        last.paths = last.paths[:1]
        self.project = nn.Identity()

    def maps(self, inputs: Tensor) -> list[Tensor]:
        """The four maps of the last stage: branch i is [B, 2^i W, H / 2^(2+i), W / 2^(2+i)]."""
        if any(size % SMALLEST for size in inputs.shape[-2:]):
            raise ValueError(
                f"pictures have shape {list(inputs.shape)}; height and width must be multiples of {SMALLEST}"
            )
        inputs = inputs.contiguous(memory_format=LAYOUT)
        maps: list[Tensor] = [self.bottlenecks(self.stem(inputs))]
        for number, (start, stage) in enumerate(zip(self.starts, self.stages, strict=True)):
            assert isinstance(start, nn.ModuleList)
            assert isinstance(stage, nn.ModuleList)
            new = [layer(maps[-1]) for layer in start]
            maps = new if number == 0 else [*maps, *new]
            for exchange in stage:
                maps = exchange(maps)
        return maps

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embeddings [B, D]; the mask is not used."""
        pooled = torch.cat([x.mean((2, 3)) for x in self.maps(inputs)], 1)
        out: Tensor = self.project(pooled)
        return out
