"""What the decoders have in common: losses while training, hypotheses afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipose.models.alignment.decoders.condition import Condition
from equipose.models.encoders.base import Norm
from equipose.models.skeleton import NUM_JOINTS

SCALES = {2: 3.0, 3: 3.3}
"""Coordinates -> factor that brings poses to unit variance: 1 / root mean square of simulated poses, in 2D in
the box (3.06), in 3D relative to the pelvis in metres (3.32)."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """What comes out."""

    coordinates: int = 3
    """2: key points in the box; 3: joints relative to the pelvis, camera axes, metres."""
    joints: int = NUM_JOINTS
    scale: float | None = None
    """Poses are multiplied by it before the network sees them; None: to unit variance, see `SCALES`. Not
    stated in the paper; GFPose has 30 for poses in units of the picture."""
    modality_token: bool = True
    """False is the row without it in UniHPE's table 6."""
    box: bool | None = None
    """Whether the decoder sees the box token; None: in 2D, as published (appendix B.3)."""

    def __post_init__(self) -> None:
        if self.coordinates not in SCALES:
            raise ValueError(f"coordinates={self.coordinates}: use 2 or 3")
        if self.joints < 1:
            raise ValueError(f"joints={self.joints}: use 1 or more")
        if self.scale is not None and not self.scale > 0:
            raise ValueError(f"scale={self.scale}: use a positive factor or None")
        if self.box and self.coordinates == 3:
            raise ValueError("box=True with coordinates=3: a 3D pose has no bounding box; use None or False")

    @property
    def factor(self) -> float:
        """The scale in use."""
        return SCALES[self.coordinates] if self.scale is None else self.scale

    @property
    def sees_box(self) -> bool:
        """Whether a box token is needed."""
        return self.coordinates == 2 if self.box is None else self.box

    def build(self, width: int, sources: tuple[str, ...], norm: Norm) -> Decoder:
        """The decoder of embeddings [B, width] of these modalities, with new weights."""
        raise NotImplementedError


class Decoder(nn.Module):
    """Embeddings [B, D] of any modality to poses [B, J, C]."""

    def __init__(self, config: DecoderConfig, width: int, sources: tuple[str, ...]) -> None:
        super().__init__()
        self.settings = config
        self.numbers = config.joints * config.coordinates
        self.condition = Condition(width, sources, token=config.modality_token, box=config.sees_box)

    @property
    def label(self) -> str:
        """How poses are made, for tables."""
        raise NotImplementedError

    def forward(
        self,
        pose: Tensor,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
        start: int = 0,
        total: int | None = None,
        draws: int = 1,
    ) -> Tensor:
        """Losses [B] of the true poses [B, J, C]; arguments as those of `Condition`.

        draws: how often noise is drawn for every row; the loss is the mean over them. It is drawn for the
        `total` rows of all ranks (None: these), of which these begin at `start`; so ranks with generators of
        equal state draw what one rank would.
        """
        raise NotImplementedError

    def sample(
        self,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
        hypotheses: int | None = None,
    ) -> Tensor:
        """Poses [B, H, J, C]; H is the configured number where it is not given."""
        raise NotImplementedError

    def decode(
        self,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
    ) -> Tensor:
        """One pose [B, J, C] per row: the mean of its hypotheses."""
        return self.sample(embedding, source, generator=generator, box=box).mean(1)

    def scaled(self, pose: Tensor) -> Tensor:
        """Poses [B, J, C] to the numbers [B, J C] that the network works with."""
        config = self.settings
        if pose.shape[1:] != (config.joints, config.coordinates):
            raise ValueError(
                f"poses have shape {list(pose.shape)}; this decoder makes "
                f"[rows, {config.joints}, {config.coordinates}]"
            )
        return pose.flatten(1) * config.factor

    def unscaled(self, numbers: Tensor) -> Tensor:
        """The inverse of `scaled`: [..., J C] to [..., J, C]."""
        config = self.settings
        return numbers.unflatten(-1, (config.joints, config.coordinates)) / config.factor
